"""What networks guess of each image: served by run, and compared by comparison."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.api.house import QUICK, House
from worker.evidence.predictions import Predictions, read_predictions

IMAGES = 60
FIGURES = {"val/top1": 90.0, "val/top5": 99.0, "val/loss": 0.3}


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


def kept(house: House, run_id: str, wrong: list[int], *, attempt: int = 1, **changes: Any) -> Path:
    """As a training leaves them, of which the images `wrong` are guessed wrong."""
    labels = np.arange(IMAGES) % 10
    guesses = np.stack([(labels + place) % 10 for place in range(5)], 1)
    guesses[wrong, 0], guesses[wrong, 1] = guesses[wrong, 1], guesses[wrong, 0]
    pixels = np.stack([np.full((1, 8, 8), index, np.uint8) for index in wrong]) if wrong else None
    told: dict[str, Any] = {
        "guesses": guesses,
        "labels": labels,
        "classes": tuple("0123456789"),
        "images": "digits",
        "kept": np.array(wrong),
        "pixels": pixels,
    }
    path = house.settings.files / "runs" / run_id / f"attempt-{attempt}" / "predictions.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(Predictions(**told | changes).packed())
    return path


def pair(house: House) -> list[str]:
    """The ids of a completed baseline and its twin."""
    launched = house.api.post("/comparisons", {"config": QUICK}, status=201)
    ids = [run["id"] for run in launched["runs"]]
    for run_id in ids:
        house.move(run_id, "completed", best_top1=90.0, latest=FIGURES)
    return [launched["id"], *ids]


def contrast_of(house: House, comparison: str) -> Any:
    return house.api.get(f"/comparisons/{comparison}")["verdict"]["contrasts"][0]


def test_a_comparison_tells_of_its_networks_image_by_image(house: House) -> None:
    comparison, baseline, twin = pair(house)
    assert contrast_of(house, comparison)["images_left_out"] == [
        "seed 0: the predictions of a run were not kept, or are not on this machine"
    ]
    kept(house, baseline, [3, 5, 7])
    kept(house, twin, [7, 9])
    images = contrast_of(house, comparison)["images"]
    assert images["pairs"] == [pytest.approx({"seed": 0, "won": 2, "lost": 1, "p": 1.0} | interval(images))]
    assert [(one["index"], one["label"], one["run"]) for one in images["most_won"]] == [
        (3, "3", baseline),
        (5, "5", baseline),
    ]
    assert [(one["index"], one["run"]) for one in images["most_lost"]] == [(9, twin)]
    assert images["sentences"][0].startswith("Of 60 validation images stochastic depth alone gets 2 right")
    listed = house.api.get("/comparisons")["items"]
    assert next(one for one in listed if one["id"] == comparison)["verdict"]["contrasts"][0]["images"] is None


def interval(images: Any) -> dict[str, float]:
    return {name: images["pairs"][0][name] for name in ("difference", "low", "high")}


def test_a_later_attempt_and_a_new_file_are_seen(house: House) -> None:
    comparison, baseline, twin = pair(house)
    path = kept(house, baseline, [1])
    kept(house, twin, [2])
    assert contrast_of(house, comparison)["images"]["pairs"][0]["won"] == 1
    kept(house, baseline, [1, 4, 6], attempt=10)
    assert contrast_of(house, comparison)["images"]["pairs"][0]["won"] == 3
    assert read_predictions(path).is_right.sum() == IMAGES - 1


def test_a_file_that_is_not_whole_is_told_and_refuses_nothing(house: House) -> None:
    comparison, baseline, twin = pair(house)
    kept(house, baseline, [1]).write_bytes(b"torn")
    kept(house, twin, [2])
    contrast = contrast_of(house, comparison)
    assert contrast["images"] is None
    assert len(contrast["images_left_out"]) == 1
    assert house.client.get(f"/api/v1/runs/{baseline}/validation-images/1").status_code == 404


def test_predictions_are_a_file_of_the_run(house: House) -> None:
    _, baseline, twin = pair(house)
    path = kept(house, baseline, [3])
    answer = house.client.get(f"/api/v1/runs/{baseline}/predictions")
    assert answer.content == path.read_bytes()
    assert f"{baseline}-predictions.npz" in answer.headers["content-disposition"]
    assert house.client.get(f"/api/v1/runs/{twin}/predictions").status_code == 404
    assert house.client.get("/api/v1/runs/r_none/predictions").status_code == 404
    assert house.stranger().get(f"/api/v1/runs/{baseline}/predictions").status_code == 401


def test_a_link_in_place_of_the_predictions_is_not_followed(house: House, tmp_path: Path) -> None:
    _, baseline, _ = pair(house)
    path = kept(house, baseline, [3])
    path.rename(tmp_path / "elsewhere.npz")
    path.symlink_to(tmp_path / "elsewhere.npz")
    assert house.client.get(f"/api/v1/runs/{baseline}/predictions").status_code == 404


def test_an_image_without_a_file_has_its_pixels_where_it_was_guessed_wrong(house: House) -> None:
    _, baseline, _ = pair(house)
    kept(house, baseline, [3, 50])
    answer = house.client.get(f"/api/v1/runs/{baseline}/validation-images/50")
    assert answer.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.size, image.convert("L").getpixel((0, 0))) == ((8, 8), 50)
    for index, why in ((4, "not kept"), (60, "they are 0 to 59")):
        refused = house.client.get(f"/api/v1/runs/{baseline}/validation-images/{index}")
        assert refused.status_code == 404
        assert why in refused.json()["detail"]
    assert house.client.get(f"/api/v1/runs/{baseline}/validation-images/-1").status_code == 422


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    (tmp_path / "photographs" / "val" / "cat").mkdir(parents=True)
    (tmp_path / "photographs" / "train").mkdir()
    Image.new("RGB", (640, 480), "red").save(tmp_path / "photographs" / "val" / "cat" / "0.jpg")
    (tmp_path / "photographs" / "val" / "cat" / "1.jpg").write_text("no photograph")
    (tmp_path / "secret.png").write_text("secret")
    return tmp_path / "photographs"


def test_an_image_that_is_a_file_is_made_small_and_coded_anew(house: House, photographs: Path) -> None:
    run = house.api.post(
        "/runs", {"config": QUICK | {"dataset": "imagefolder", "data_dir": str(photographs)}}, status=201
    )
    names = np.array([b"cat/0.jpg", b"cat/1.jpg", b"cat/gone.jpg", b"../../secret.png", b"/etc/hostname"])
    guesses, labels = np.zeros((5, 1), int), np.ones(5, int)
    kept(house, run["id"], [], guesses=guesses, labels=labels, names=names, kept=None)
    answer = house.client.get(f"/api/v1/runs/{run['id']}/validation-images/0")
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (160, 120)
    for index in range(1, 5):
        refused = house.client.get(f"/api/v1/runs/{run['id']}/validation-images/{index}")
        assert refused.status_code == 404, names[index]
        assert "not on this machine, or is no image" in refused.json()["detail"]
