from __future__ import annotations

import json
import mmap
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch

from tests.engine.parts import TINY, tiny
from tests.engine.small_folders import SMALL_FOLDER, folder_of
from worker.contract.presets import PRESETS
from worker.engine import execution
from worker.engine.__main__ import main
from worker.engine.data.images import Augmentation, Batch, Indices
from worker.engine.estimate import measuring
from worker.engine.estimate.measuring import expected_seconds, interquartile_mean, measure_device, measure_loader
from worker.engine.estimate.memory import Peak
from worker.engine.estimate.outlook import together
from worker.engine.estimate.probe import Probe, Sample
from worker.engine.estimate.synthetic import SyntheticImages, synthetic_dataset
from worker.engine.plan import Plan
from worker.engine.sinks.history import read_history
from worker.engine.stochastic_depth import gates


def options(**changes: object) -> list[str]:
    settings = {"threads": 1, "seconds": 0.2} | changes
    return ["estimate", *(f"--{name}={value}" for name, value in settings.items())]


def estimated(tmp_path: Path, **changes: object) -> dict[str, Any]:
    file = tmp_path / "estimate.json"
    assert main([*options(**changes), "--json", str(file)]) == 0
    return dict(json.loads(file.read_text()))


SMALL = {"image_size": 8, "batch": 64, "lr": 0.1}


def test_both_arms_are_estimated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = estimated(tmp_path, **SMALL, epochs=12, bn_reestimate=2)
    said = capsys.readouterr().out
    for name, arm in found["arms"].items():
        assert arm["total_seconds"] == pytest.approx(12 * arm["epoch_seconds"])
        # 22 whole batches, 360 validation images and two batches for batch norm, which take no backward pass.
        assert arm["epoch_seconds"] > 22 * 64 / arm["images_per_second"]
        assert arm["epoch_seconds"] < (22 * 64 + 360 + 128) / arm["images_per_second"] * 1.5
        assert (arm["compute"] < 1) == (name == "sd")
        assert arm["measured_steps"] >= 3
    assert found["time_saved"] == pytest.approx(
        1 - found["arms"]["sd"]["total_seconds"] / found["arms"]["baseline"]["total_seconds"]
    )
    assert found["train_images"] == 1437
    for part in ("baseline", "SD", "images/s", "peak memory", "bound by", "the loader delivers", "saves"):
        assert part in said


def test_what_is_probably_not_meant_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    estimated(tmp_path, **SMALL, epochs=3)
    assert capsys.readouterr().out.count("note: warmup_epochs 5 is not below epochs 3") == 1


def test_the_speed_is_that_of_a_training(tmp_path: Path) -> None:
    settings = TINY | {"sd": False, "batch": 64, "log_every": 1, "threads": 1}
    out = tmp_path / "run"
    found = estimated(tmp_path, **SMALL, seconds=1)["arms"]["baseline"]["images_per_second"]
    assert main(["train", "--out", str(out), *(f"--{name}={value}" for name, value in settings.items())]) == 0
    rows = [row for row in read_history(out / "history.csv") if row["images_per_second"]]
    trained = median(float(row["images_per_second"]) for row in rows)
    # Other work on the machine may meet one of the two; a wrong unit would be off by 64 or by 22.
    assert trained / 4 < found < trained * 4


def test_imagenets_size_is_assumed_without_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = estimated(tmp_path, depth=50, image_size=32, batch=8, epochs=120)
    said = capsys.readouterr().out
    assert "no files are given, so 1,281,167 images are assumed" in said
    assert "the loader is not measured; --data_dir measures it" in said
    assert found["train_images"] == 1_281_167
    assert found["config"]["dataset"] == "imagenet"
    assert found["loader_images_per_second"] is None
    assert "days" in said


@pytest.mark.parametrize("preset", [preset.name for preset in PRESETS if preset.config.dataset.value == "imagenet"][:2])
def test_a_preset_whose_folder_is_not_here_is_estimated_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], preset: str
) -> None:
    assert estimated(tmp_path, preset=preset, image_size=32, batch=4, color_jitter=0)["train_images"] == 1_281_167
    assert "are assumed" in capsys.readouterr().out


def test_a_folder_that_is_given_is_counted_and_its_loader_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = folder_of(tmp_path / "data", ["cat", "dog"])
    settings = {name: value for name, value in SMALL_FOLDER.items() if name != "dataset"}
    found = estimated(tmp_path, **settings, data_dir=data, loader_workers=1)
    assert found["train_images"] == 8
    assert found["loader_images_per_second"] > 0
    assert "take turns on the same processors" in capsys.readouterr().out


def test_a_large_batch_is_measured_in_part_and_scaled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = estimated(tmp_path, depth=20, image_size=32, batch=1024, seconds=0.3)
    size = int(re.search(r"measured with (\d+) images at a time and scaled to 1024", capsys.readouterr().out)[1])  # type: ignore[index]
    assert 4 <= size < 1024
    # 9 blocks at 32 px keep some megabytes of each image.
    assert found["arms"]["baseline"]["peak_bytes"] > 1024 * 2e6


def test_what_shares_the_processors_is_added_and_what_does_not_is_bound_by_the_slower() -> None:
    assert together(100.0, 300.0, shares_cpu=True) == (pytest.approx(75.0), "device")
    assert together(300.0, 100.0, shares_cpu=True) == (pytest.approx(75.0), "loader")
    assert together(300.0, 100.0, shares_cpu=False) == (100.0, "loader")
    assert together(300.0, None, shares_cpu=True)[0] == 300.0


def test_few_steps_of_one_sided_patterns_still_give_the_mean_of_all() -> None:
    survival = [1 - block / 9 * 0.5 for block in range(1, 10)]

    def compute(step: int) -> float:
        return 0.1 + 0.1 * sum(gates(seed=1, step=step, survival=survival))

    expected = 0.1 + 0.1 * sum(survival)
    samples = [Sample(2.0 * compute(step), compute(step)) for step in range(400)]
    shallow = sorted(samples, key=lambda sample: sample.compute)[:12]
    assert expected_seconds(shallow, compute=expected, full_seconds=2.0) == pytest.approx(2.0 * expected)
    # A slope that is somewhat wrong matters little where the patterns are as they occur.
    assert expected_seconds(samples, compute=expected, full_seconds=1.7) == pytest.approx(2.0 * expected, rel=0.02)


def test_a_moment_of_other_work_does_not_count() -> None:
    assert interquartile_mean([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 50.0]) == 1.0
    assert interquartile_mean([3.0]) == 3.0


class _SlowImages(SyntheticImages):
    def augmented(self, indices: Indices, *, epoch: int, augmentation: Augmentation) -> Batch:
        time.sleep(0.05)
        return super().augmented(indices, epoch=epoch, augmentation=augmentation)


@pytest.mark.parametrize(("workers", "rate"), [(0, 320), (2, 640)])
def test_the_loaders_rate_is_that_of_its_processes(workers: int, rate: float) -> None:
    config = tiny(batch=16, loader_workers=workers)
    dataset = synthetic_dataset(train=1024, val=16, classes=10, side=8)
    slow = type(dataset)(**{**vars(dataset), "train": _SlowImages(1024, classes=10, side=8)})
    found = measure_loader(Plan(config, slow, execution.settle(config)), seconds=1.0)
    assert rate / 2 < found < rate * 1.2


def test_a_probe_takes_the_gates_of_the_run() -> None:
    config = tiny(batch=8)
    dataset = synthetic_dataset(train=64, val=16, classes=10, side=8)
    probe = Probe(config, dataset, execution.settle(config))
    samples = [probe.timed(1) for _ in range(4)]
    plan = Plan(config, dataset, execution.settle(config))
    shares = [
        plan.compute.share([float(is_open) for is_open in gates(seed=3, step=step, survival=plan.gate_keeper.survival)])
        for step in range(4)
    ]
    assert [sample.compute for sample in samples] == pytest.approx(shares)


def test_the_peak_begins_again_when_it_is_reset() -> None:
    peak = Peak(torch.device("cpu"))
    # A map goes when it is closed; the allocator may keep what is freed.
    with mmap.mmap(-1, 200_000_000, flags=mmap.MAP_PRIVATE) as block:
        block.write(b"x" * len(block))
        with_block = peak.since_reset()
    peak.reset()
    without = peak.since_reset()
    assert with_block is not None
    assert without is not None
    assert with_block - without > 150_000_000
    assert (peak.available() or 0) > without


#: Everything is loaded and one small step is made before memory is cut short.
OUT_OF_MEMORY = """
import re, resource, sys
from pathlib import Path
from tests.engine.parts import tiny
from worker.engine import execution
from worker.engine.__main__ import main
from worker.engine.estimate import command, measuring
from worker.engine.estimate.probe import Probe
measuring.ROUNDS = 0  # However slow the machine is just now, the whole batch is tried.
config = tiny(batch=8)
Probe(config, command.synthetic_dataset(train=64, val=8, classes=10, side=8), execution.settle(config)).timed(1)
size = 1024 * int(re.search("VmSize:[^0-9]*([0-9]+) kB", Path("/proc/self/status").read_text())[1])
resource.setrlimit(resource.RLIMIT_AS, (size + 390_000_000,) * 2)
sys.exit(main(sys.argv[1:]))
"""


def test_memory_that_runs_out_is_told_with_what_would_fit() -> None:
    command = options(image_size=32, batch=1024, seconds=2)
    done = subprocess.run([sys.executable, "-c", OUT_OF_MEMORY, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = re.search(r"1024 images at a time do not fit; (\d+) do; take --accumulation (\d+),", done.stdout)
    assert told, done.stdout
    fits, parts = int(told[1]), int(told[2])
    assert 4 <= fits <= 512
    assert 1024 // parts <= fits


def test_memory_that_runs_out_after_the_steps_is_no_failure_either(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = Probe._forward

    def short_of_memory(probe: Probe) -> float:
        if probe.size > 4:
            raise RuntimeError("could not create a primitive")
        return forward(probe)

    monkeypatch.setattr(Probe, "_forward", short_of_memory)
    # However slow the machine is just now, the whole batch is tried.
    monkeypatch.setattr(measuring, "ROUNDS", 0)
    config = tiny(batch=16)
    dataset = synthetic_dataset(train=64, val=16, classes=10, side=8)
    cost = measure_device(config, dataset, execution.settle(config), seconds=0.1)
    assert (cost.size, cost.fits) == (4, 4)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"epochs": 0}, "epochs: epochs '0'"),
        ({"dataset": "imagefolder"}, "data_dir: imagefolder needs data_dir"),
        ({"dataset": "moon"}, "dataset: dataset 'moon'"),
        ({"depth": 50, "data_dir": "/nowhere"}, "data_dir /nowhere does not exist"),
        ({"device": "cpu", "amp": "fp16"}, "set amp to auto"),
    ],
)
def test_bad_input_is_named(capsys: pytest.CaptureFixture[str], changes: dict[str, object], complaint: str) -> None:
    assert main(options(**changes)) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan"])
def test_seconds_that_are_none_are_refused(seconds: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["estimate", "--seconds", seconds])
    assert ended.value.code == 2
