"""The benchmarks measure what they say, tried on the smallest loads; how fast anything is, is not asserted here."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from tests.benchmarks import gpu, loader, sd
from tests.benchmarks.__main__ import BENCHMARKS, main
from tests.benchmarks.arm import Arm, Load, Way
from tests.benchmarks.photographs import HEIGHT, MEAN_BYTES, WIDTH, write_class_folders
from tests.benchmarks.report import table

SMALL = Load(depth=20, image_size=8, batch=4, pL=0.5)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photographs")
    write_class_folders(root, images=16)
    return root


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_tells_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: resdrop bench {name}" in capsys.readouterr().out


def test_without_a_name_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    listed = capsys.readouterr().out
    assert all(f"\n  {name} " in listed for name in BENCHMARKS)


def test_steps_are_measured_beside_the_baseline_with_the_compute_of_their_own_gates(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    sizes = ["--image_size", "8", "--batch", "4", "--patterns", "5", "--threads", "1"]
    assert main(["sd", "--depths", "20", *sizes, "--subset", "--no-peers", "--json", str(path)]) == 0
    written = json.loads(path.read_text())
    rows = {row["name"]: row for row in written["figures"]["resnet20"]["rows"]}
    assert rows["baseline"]["compute"] == rows["baseline"]["time"] == 1.0
    assert rows["ResDrop"]["steps"] == 5
    assert 0.4 < rows["ResDrop"]["compute"] < 1.0
    assert rows["ResDrop, sd_mode subset"]["steps"] == 2
    assert written["machine"]["torch"] == str(torch.__version__)


def test_the_median_is_of_each_steps_own_quotient() -> None:
    row = sd._row("any", [(1.0, 2.0, 0.5), (3.0, 2.0, 0.75), (1.6, 2.0, 0.8)])
    assert row.time == 0.8
    assert row.compute == 0.75
    assert row.quotient == pytest.approx(1.0)


def test_a_peers_mask_is_laid_over_every_branch_with_the_papers_survival() -> None:
    arm, seen = Arm(SMALL, Way()), list[float]()

    class Mask(nn.Module):
        def __init__(self, p: float) -> None:
            super().__init__()
            self.p = p

        def forward(self, branch: torch.Tensor) -> torch.Tensor:
            seen.append(self.p)
            return branch

    arm.lay_over(Mask)
    arm.step()
    assert seen == pytest.approx([1.0 - 0.5 * block / 9 for block in range(1, 10)])
    assert arm.next_compute() == 1.0


def test_made_photographs_are_as_large_as_imagenets_and_all_different(photographs: Path) -> None:
    files = sorted(photographs.rglob("*.jpg"))
    contents = {file.read_bytes() for file in files}
    assert len(contents) == len(files) == 18
    assert MEAN_BYTES * 0.8 < sum(map(len, contents)) / len(contents) < MEAN_BYTES * 1.25
    with Image.open(files[0]) as image:
        assert image.size == (WIDTH, HEIGHT)


def test_photographs_are_made_without_scikit_learn_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    write_class_folders(tmp_path, images=4)
    sizes = [file.stat().st_size for file in tmp_path.rglob("*.jpg")]
    assert len(sizes) == 6
    assert MEAN_BYTES * 0.8 < sum(sizes) / len(sizes) < MEAN_BYTES * 1.25


def test_loaders_are_measured_on_the_same_images(photographs: Path, tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    sizes = ["--images", "16", "--batch", "4", "--rounds", "1", "--workers", "1"]
    assert main(["loader", "--data_dir", str(photographs), *sizes, "--no-peers", "--json", str(path)]) == 0
    figures = json.loads(path.read_text())["figures"]
    assert figures["mean_difference_of_255"] < 0.05
    for rows in (figures["plain"], figures["jitter"]):
        assert [row["name"] for row in rows] == ["torchvision reference", "ResDrop, bytes", "ResDrop, floats"]
        assert all(row["images_per_second"] > 0 and row["cpu_ms"] > 0 for row in rows)


def test_a_loaders_rate_counts_what_came_after_the_first_batch() -> None:
    batches = [(torch.zeros(3),), (torch.zeros(5),), (torch.zeros(2),)]
    assert loader.timed(lambda: batches).images_per_second > 0
    row = loader._row("any", [loader.Pass(200.0, 0.001)], [loader.Pass(100.0, 0.003)])
    assert (row.ratio, row.cpu_ms) == (2.0, 1.0)
    assert row.cpu_ratio == pytest.approx(3.0)


def test_a_gpus_benchmark_wants_a_gpu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["gpu"]) == 2
    assert "no CUDA device" in capsys.readouterr().out


def test_a_gpus_benchmark_counts_three_passes_of_two_operations() -> None:
    # ResNet-50 takes 4.089 G multiply-adds for an image of 224 pixels.
    load = Load(50, 224, 1, 0.5)
    assert gpu._operations_an_image(load, sd=False) == pytest.approx(6 * 4.089e9, rel=1e-3)
    assert gpu._operations_an_image(load, sd=True) == pytest.approx(6 * 4.089e9 * 0.763, rel=1e-3)


def test_a_gpus_benchmark_trains_on_the_device_and_through_the_loader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for constant in ("WARM_UP", "CHUNK"):
        monkeypatch.setattr(gpu, constant, 1)
    monkeypatch.setattr(gpu, "EPOCHS", 2)
    path = tmp_path / "figures.json"
    sizes = ["--batch", "2", "--image_size", "32", "--chunks", "1", "--files", "4", "--workers", "0", "--matrix", "64"]
    assert main(["gpu", "--device", "cpu", "--amp", "off", "--autotune", *sizes, "--json", str(path)]) == 0
    figures = json.loads(path.read_text())["figures"]
    names = [row["name"] for row in figures["resnet50"]]
    assert names == ["off, baseline", "off, baseline, autotuned", "off, SD", "off, SD, autotuned"]
    assert figures["loader"][0]["images_per_second"] > 0


def test_a_table_sets_words_to_the_left_and_numbers_to_the_right() -> None:
    assert table(("what", "ms"), [("a step", "12.5"), ("b", "3.0")]).splitlines() == [
        "what      ms",
        "------------",
        "a step  12.5",
        "b        3.0",
    ]
