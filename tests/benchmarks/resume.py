"""Seconds from the start of a process to its first resumed step, at the beginning of an epoch and deep in it.

Processes of both places in turn, medians. `process` counts from the start of Python, `training` from the moment when
torch is there: reading the checkpoint, listing the files, making the network, the first batch and the step. The deep
checkpoint is the other one with its step moved, so both have the same size. For comparison, what a loader takes that
has to run through the batches before it can go on, as systems do that keep no place: from 50 batches of torchvision's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from tests.benchmarks.photographs import write_class_folders
from tests.benchmarks.report import machine_line, table, write_json
from worker.contract.config import RunConfig
from worker.contract.status import Desired
from worker.engine import checkpoint
from worker.engine.checkpoint import Checkpoint
from worker.engine.ports import NullSink
from worker.engine.trainer import train

BATCH = 8
ROOT = Path(__file__).parents[2]
DIFFERENT_FILES = 64
RUN_THROUGH = 50


@dataclass(frozen=True)
class Row:
    """Seconds, medians."""

    step: int
    loader_workers: int
    process: float
    training: float


class StopAfterOneStep:
    """A Control that is asked before every step, and knows so when the first one was done."""

    def __init__(self) -> None:
        self.first_step_at: float | None = None
        self._asked = 0

    def desired(self) -> Desired:
        self._asked += 1
        if self._asked < 2:
            return Desired.RUN
        self.first_step_at = self.first_step_at or time.monotonic()
        return Desired.STOP


def config_for(root: Path, *, workers: int) -> RunConfig:
    return RunConfig.model_validate(
        {
            "dataset": "imagefolder",
            "data_dir": str(root),
            "depth": 20,
            "image_size": 64,
            "batch": BATCH,
            "epochs": 2,
            "warmup_epochs": 1,
            "loader_workers": workers,
            "device": "cpu",
            "threads": 1,
            "sd": True,
        }
    )


def first_step(root: Path, folder: Path, *, workers: int, resume: Checkpoint | None) -> float:
    """When it was done, on the clock that all processes share. Leaves a checkpoint in `folder`."""
    control = StopAfterOneStep()
    train(config_for(root, workers=workers), sink=NullSink(), control=control, checkpoints=folder, resume=resume)
    assert control.first_step_at is not None
    return control.first_step_at


def resumed(root: Path, path: Path, folder: Path, workers: int) -> None:
    """What a process of its own does: prints when torch was there, and when the first step was done."""
    began = time.monotonic()
    print(began, first_step(root, folder, workers=workers, resume=checkpoint.load(path)))


def timed(root: Path, path: Path, workers: int) -> tuple[float, float]:
    """Seconds from the process's start, and from when torch was there."""
    with tempfile.TemporaryDirectory() as left:
        program = (
            "from pathlib import Path; from tests.benchmarks.resume import resumed; "
            f"resumed(Path({str(root)!r}), Path({str(path)!r}), Path({left!r}), {workers})"
        )
        start = time.monotonic()
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    began, stepped = map(float, done.stdout.split())
    return stepped - start, stepped - began


def make_images(root: Path, count: int) -> None:
    """`count` training images, most of them further names of the same files, so that an epoch is long."""
    write_class_folders(root, images=DIFFERENT_FILES)
    files = sorted((root / "train").rglob("*.jpg"))
    for number in range(DIFFERENT_FILES, count):
        source = files[number % len(files)]
        os.link(source, source.with_name(f"{number:06d}.jpg"))


def checkpoints_at(root: Path, folder: Path, deep: int) -> dict[int, Path]:
    first_step(root, folder, workers=0, resume=None)
    shallow = checkpoint.newest_first(folder)[0]
    content = dict(checkpoint.load(shallow).content)
    content["step"] = deep
    path = checkpoint.checkpoint_path(folder, deep)
    checkpoint.save(content, path)
    return {1: shallow, deep: path}


def seconds_to_run_through(root: Path, batches: int) -> float:
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    transform = transforms.Compose([transforms.RandomResizedCrop(64), transforms.ToTensor()])
    images = datasets.ImageFolder(str(root / "train"), transform)
    loaded = iter(DataLoader(images, BATCH, shuffle=True))
    next(loaded)
    start = time.monotonic()
    for _ in range(RUN_THROUGH):
        next(loaded)
    return (time.monotonic() - start) / RUN_THROUGH * batches


def main(arguments: Sequence[str]) -> int:
    given = _parser().parse_args(arguments)
    print(machine_line())
    with tempfile.TemporaryDirectory() as made:
        root, folder = Path(made) / "images", Path(made) / "checkpoints"
        make_images(root, BATCH * (given.deep + 1000))
        paths = checkpoints_at(root, folder, given.deep)
        rows = [row for workers in given.workers for row in _rows(root, paths, workers, given.rounds)]
        through = seconds_to_run_through(root, given.deep)
    print(f"\nResNet-20, batch {BATCH}, {BATCH * (given.deep + 1000):,} JPEG files, resumed in processes of their own")
    print(table(("resumed at step", "loaders", "process s", "training s"), [_cells(row) for row in rows]))
    print(f"\na loader that runs through {given.deep:,} batches first: {through:.0f} s more")
    write_json(given.json, "resume", {"rows": [asdict(row) for row in rows], "run_through_seconds": through})
    return 0


def _rows(root: Path, paths: dict[int, Path], workers: int, rounds: int) -> list[Row]:
    found: dict[int, list[tuple[float, float]]] = {step: [] for step in paths}
    for _ in range(rounds):
        for step, path in paths.items():
            found[step].append(timed(root, path, workers))
    return [
        Row(step, workers, median(process for process, _ in times), median(training for _, training in times))
        for step, times in found.items()
    ]


def _cells(row: Row) -> tuple[str, ...]:
    return f"{row.step:,}", str(row.loader_workers), f"{row.process:.2f}", f"{row.training:.2f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="resdrop bench resume", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deep", type=int, default=5000, help="the later step (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="processes of each kind (default: %(default)s)")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2], help="loader processes (default: 0 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser
