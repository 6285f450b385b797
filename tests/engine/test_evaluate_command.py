from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine.parts import TINY
from tests.engine.small_folders import SMALL_FOLDER, folder_of
from worker.engine import batch_norm, checkpoint, restored
from worker.engine.__main__ import main
from worker.engine.checkpoint import load, newest_first
from worker.engine.data.digits import _scans, validation_mask
from worker.engine.data.images import Batch
from worker.engine.export.formats import FORMATS
from worker.engine.resnet import ResNet
from worker.engine.sinks.history import read_history


def trained(out: Path, **changes: object) -> Path:
    assert main(["train", "--out", str(out), *(f"--{name}={value}" for name, value in (TINY | changes).items())]) == 0
    return out


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SD, with batch norm taken again and a weight average, in micro-batches."""
    return trained(tmp_path_factory.mktemp("run"), ema=0.8, accumulation=2)


def last_row(run: Path) -> dict[str, str]:
    return [row for row in read_history(run / "history.csv") if row["val/top1"]][-1]


def said_top1(said: str) -> float:
    return float(re.search(r"(?:val|train)/top1 ([\d.]+) %", said)[1])  # type: ignore[index]


def said_loss(said: str) -> float:
    return float(re.search(r"(?:val|train)/loss ([\d.]+)", said)[1])  # type: ignore[index]


@pytest.mark.parametrize("changes", [{}, {"bn_reestimate": 0}, {"sd": False, "eval_every": 2}, {"ema": 0.7}])
def test_the_number_is_the_runs_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object]
) -> None:
    run = trained(tmp_path, **changes)
    capsys.readouterr()
    assert main(["evaluate", "--run", str(run)]) == 0
    said = capsys.readouterr().out
    own = last_row(run)
    assert said_top1(said) == pytest.approx(float(own["val/top1"]), abs=5e-5)
    assert f"val/loss {float(own['val/loss']):.6f}" in said
    assert "after this step: the same" in said
    assert ("batch norm taken again over 2" in said) == (changes.get("bn_reestimate") != 0)


def test_raw_weights_are_others_than_the_average(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for weights in ("ema", "raw"):
        assert main(["evaluate", "--run", str(run), "--weights", weights]) == 0
        found[weights] = capsys.readouterr().out
    assert "after this step: the same" in found["ema"]
    assert re.search(r"val/loss ([\d.]+)", found["ema"])[1] != re.search(r"val/loss ([\d.]+)", found["raw"])[1]  # type: ignore[index]


def test_each_class_is_counted(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--run", str(run), "--csv", str(tmp_path / "classes.csv")]) == 0
    said = capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "classes.csv").read_text().splitlines()))
    _, labels = _scans()
    expected = np.bincount(labels[validation_mask(labels)], minlength=10).tolist()
    assert [row["class"] for row in rows] == [str(digit) for digit in range(10)]
    assert [int(row["images"]) for row in rows] == expected
    right = sum(int(row["right_top1"]) for row in rows)
    assert f"({right} right)" in said
    assert 100 * right / 360 == pytest.approx(said_top1(said), abs=5e-5)
    assert all(int(row["right_top1"]) <= int(row["right_top5"]) <= int(row["images"]) for row in rows)


def test_a_table_that_cannot_be_written_is_named_before_anything_is_measured(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    assert main(["evaluate", "--run", str(run), "--csv", str(tmp_path / "folder")]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"--csv {tmp_path}/folder cannot be written: Is a directory\n")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_checkpoint_alone_is_enough(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moved = tmp_path / "network.pt"
    moved.write_bytes(newest_first(run / "checkpoints")[0].read_bytes())
    assert main(["evaluate", "--checkpoint", str(moved), "--split", "val"]) == 0
    assert said_top1(capsys.readouterr().out) == pytest.approx(float(last_row(run)["val/top1"]), abs=5e-5)


def test_training_images_can_be_asked_for(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--run", str(run), "--split", "train"]) == 0
    said = capsys.readouterr().out
    assert "1437 images: train/loss" in said
    assert "its run measured" not in said


def test_the_best_checkpoint_can_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(tmp_path, epochs=4, keep_checkpoints=2)
    best = max(float(row["val/top1"]) for row in read_history(run / "history.csv") if row["val/top1"])
    capsys.readouterr()
    assert main(["evaluate", "--run", str(run), "--best"]) == 0
    assert said_top1(capsys.readouterr().out) == pytest.approx(best, abs=5e-5)


def test_a_run_shared_by_several_devices_is_evaluated_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(tmp_path, devices=2)
    capsys.readouterr()
    assert main(["evaluate", "--run", str(run)]) == 0
    said, own = capsys.readouterr().out, last_row(run)
    assert said_loss(said) == pytest.approx(float(own["val/loss"]), abs=1e-5)
    # One image may lie between two classes.
    assert said_top1(said) == pytest.approx(float(own["val/top1"]), abs=100 / 360 + 1e-4)


def test_other_images_of_the_same_classes_are_told_and_others_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = folder_of(tmp_path / "data", ["cat", "dog"])
    run = trained(tmp_path / "run", **SMALL_FOLDER, data_dir=data)
    capsys.readouterr()
    moved = tmp_path / "moved"
    data.rename(moved)
    assert main(["evaluate", "--run", str(run)]) == 2
    assert f"data_dir {data} does not exist" in capsys.readouterr().err
    assert main(["evaluate", "--run", str(run), "--data_dir", str(moved)]) == 0
    assert "the same" in capsys.readouterr().out
    (moved / "val" / "cat" / "0.png").rename(moved / "val" / "dog" / "9.png")
    assert main(["evaluate", "--run", str(run), "--data-dir", str(moved)]) == 0
    assert "not the images with which the network was trained" in capsys.readouterr().out
    others = folder_of(tmp_path / "others", ["cat", "cow"])
    assert main(["evaluate", "--run", str(run), "--data_dir", str(others)]) == 2
    assert "tells 2 classes apart (cat, dog) and the images are of 2 (cat, cow)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--checkpoint", "/nowhere.pt"], "checkpoint /nowhere.pt cannot be read"),
        (["--run", "/nowhere"], "--run /nowhere holds no sound checkpoint"),
        (["--run", "/nowhere", "--best"], "has no best checkpoint"),
    ],
)
def test_what_is_not_there_is_named(capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str) -> None:
    assert main(["evaluate", *arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_an_average_that_the_run_did_not_keep_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(tmp_path, epochs=1)
    assert main(["evaluate", "--run", str(run), "--weights", "ema"]) == 2
    assert "its run had ema off; take --weights raw" in capsys.readouterr().err


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("the trap is sprung",)


def test_code_in_a_checkpoint_is_refused_and_does_not_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = dict(load(newest_first(run / "checkpoints")[0]).content)
    checkpoint.save(content | {"classes": _Trap()}, tmp_path / "trap.pt")
    torch.save(content, tmp_path / "unsealed.pt")
    capsys.readouterr()
    assert main(["evaluate", "--checkpoint", str(tmp_path / "trap.pt")]) == 2
    told = capsys.readouterr()
    assert "none of it was run" in told.err
    assert "sprung" not in told.out
    assert main(["evaluate", "--checkpoint", str(tmp_path / "unsealed.pt")]) == 2
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("batch", [40, 200])
def test_another_batch_measures_the_runs_own_number(run: Path, capsys: pytest.CaptureFixture[str], batch: int) -> None:
    """Batch norm is taken over the run's own micro-batches of 128 all the same."""
    assert main(["evaluate", "--run", str(run), "--batch", str(batch)]) == 0
    said, own = capsys.readouterr().out, last_row(run)
    assert "batch norm taken again over 2 training batches, as in its run" in said
    assert "after this step: the same" in said
    assert said_loss(said) == pytest.approx(float(own["val/loss"]), abs=1e-5)


def test_statistics_over_smaller_batches_are_told_as_what_they_are(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a smaller GPU, which the run's own micro-batch does not fit."""

    def too_small(model: ResNet, batches: Iterable[Batch], **how: Any) -> ResNet:
        return batch_norm.reestimated(model, map(fitting, batches), **how)

    def fitting(batch: Batch) -> Batch:
        if len(batch.labels) > 40:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return batch

    monkeypatch.setattr(restored, "reestimated", too_small)
    assert main(["evaluate", "--run", str(run), "--batch", "40"]) == 0
    said, own = capsys.readouterr().out, last_row(run)
    assert "the images of 2 training batches, 40 at once, as the 128 of its run do not fit the memory here" in said
    assert "accuracies may differ noticeably" in said
    assert said_loss(said) == pytest.approx(float(own["val/loss"]), rel=0.02)
    with pytest.raises(torch.OutOfMemoryError):
        main(["evaluate", "--run", str(run)])


def test_another_image_size_is_told_beside_the_runs_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = folder_of(tmp_path / "data", ["cat", "dog"])
    run = trained(tmp_path / "run", **SMALL_FOLDER, data_dir=data)
    capsys.readouterr()
    assert main(["evaluate", "--run", str(run), "--image_size", "24"]) == 0
    said = capsys.readouterr().out
    assert "evaluated at 24 px, trained at 16 px" in said
    assert re.search(r"its run measured val/top1 [\d.]+ % after this step at 16 px: ", said)


@pytest.mark.parametrize(("option", "value"), [("--batch", "0"), ("--batch", "many"), ("--image_size", "3")])
def test_a_batch_or_size_that_cannot_be_is_refused(
    run: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    assert main(["evaluate", "--run", str(run), option, value]) == 2
    assert capsys.readouterr().err.startswith(option[2:])


def test_classes_whose_names_are_no_text_are_in_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = os.fsdecode(b"caf\xe9")
    data = folder_of(tmp_path / "data", [odd, "dog"])
    run = trained(tmp_path / "run", **SMALL_FOLDER, data_dir=data)
    capsys.readouterr()
    assert main(["evaluate", "--run", str(run), "--csv", str(tmp_path / "classes.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "classes.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["class"] for row in rows] == [r"caf\xe9", "dog"]
    for form, kind in FORMATS.items():
        out = tmp_path / f"network{kind.suffix}"
        assert main(["export", "--run", str(run), "--format", form, "--out", str(out)]) == 0
