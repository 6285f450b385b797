"""Images a second from JPEG files to batches: random crops of 224 pixels, flips, and colour jitter if asked for.

Each system loads with its own defaults and the same number of processes, in turn. `images/s` is the median of the
rounds between the first batch and the last; `CPU ms` what all processes together spent on an image, start and end
included. Rows of bytes are what the loader's processes give, for a GPU that does the rest itself (timm's normalising;
ResDrop's flips, colours and normalising); rows of floats have that done on this processor too, by the training process,
as the reference has it in the loader's. The files are the page cache's.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from tests.benchmarks.peers import install
from tests.benchmarks.photographs import write_class_folders
from tests.benchmarks.report import machine_line, table, write_json
from worker.contract.config import RunConfig
from worker.contract.datasets import DatasetName
from worker.engine import execution
from worker.engine.data import folder
from worker.engine.data.crops import random_box, view_of_box
from worker.engine.data.decode import decode_rgb
from worker.engine.data.images import Batch, Dataset
from worker.engine.plan import Plan

SIDE = 224
JITTER = 0.4
Loading = Callable[[], Iterable[object]]


@dataclass(frozen=True)
class Pass:
    images_per_second: float
    cpu_seconds: float


@dataclass(frozen=True)
class Row:
    """Medians; `ratio` is of images a second, `cpu_ratio` of images a CPU second, to the reference beside it."""

    name: str
    images_per_second: float
    ratio: float
    cpu_ms: float
    cpu_ratio: float


@dataclass(frozen=True)
class Load:
    root: Path
    images: int
    batch: int
    workers: int
    jitter: bool


def torchvision_reference(load: Load) -> Iterator[object]:
    """references/classification at its defaults: Pillow, floats normalised in the loader's processes."""
    look = [transforms.ColorJitter(JITTER, JITTER, JITTER)] if load.jitter else []
    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIDE),
            transforms.RandomHorizontalFlip(),
            *look,
            transforms.PILToTensor(),
            transforms.ConvertImageDtype(torch.float),
            transforms.Normalize(folder.MEAN, folder.STD),
        ]
    )
    images = datasets.ImageFolder(str(load.root / "train"), transform)
    loader = DataLoader(images, load.batch, shuffle=True, num_workers=load.workers, drop_last=True)
    return iter(loader)


def timm_bytes(load: Load) -> Iterator[object]:
    """What leaves the processes of timm_floats."""
    return iter(_timm_loader(load).loader)


def timm_floats(load: Load) -> Iterator[object]:
    """create_loader as timm's train script calls it: bytes from the processes, normalised by its prefetcher."""
    return iter(_timm_loader(load))


def _timm_loader(load: Load) -> Any:
    from timm.data import create_dataset, create_loader

    return create_loader(
        create_dataset("", root=str(load.root), split="train"),
        input_size=(3, SIDE, SIDE),
        batch_size=load.batch,
        is_training=True,
        color_jitter=JITTER if load.jitter else None,
        interpolation="bilinear",
        num_workers=load.workers,
        persistent_workers=False,
        pin_memory=False,
        device=torch.device("cpu"),
    )


def resdrop_bytes(plan: Plan) -> Iterator[Batch]:
    """What leaves the loader's processes."""
    return plan.training_batches(start=0)


def resdrop_floats(plan: Plan) -> Iterator[object]:
    """What the network takes."""
    with closing(plan.training_batches(start=0)) as loaded:
        for step, batch in enumerate(loaded):
            yield plan.augment.training(batch, epoch=0, step=step)


def _plan(load: Load) -> Plan:
    config = RunConfig.model_validate(
        {
            "dataset": "imagefolder",
            "data_dir": str(load.root),
            "image_size": SIDE,
            "batch": load.batch,
            "epochs": 1,
            "loader_workers": load.workers,
            "color_jitter": JITTER if load.jitter else 0.0,
            "device": "cpu",
        }
    )
    return Plan(config, _dataset(load.root), execution.settle(config))


def _dataset(root: Path) -> Dataset:
    return folder.load(DatasetName.IMAGEFOLDER, data_dir=str(root), side=SIDE)


def timed(loading: Loading) -> Pass:
    """One epoch; the processes have ended before their seconds are counted."""
    arrivals: list[float] = []
    sizes: list[int] = []
    before = _cpu_seconds()
    for batch in loading():
        arrivals.append(time.perf_counter())
        images = batch[0]
        sizes.append(len(images))
    spent = _cpu_seconds() - before
    return Pass(sum(sizes[1:]) / (arrivals[-1] - arrivals[0]), spent / sum(sizes))


def _cpu_seconds() -> float:
    """Of this process and of all that it has waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def measure(load: Load, *, rounds: int, peers: bool) -> list[Row]:
    """The reference first."""
    plan = _plan(load)
    ways: dict[str, Loading] = {"torchvision reference": lambda: torchvision_reference(load)}
    if peers:
        install("timm")
        ways["timm, bytes"] = lambda: timm_bytes(load)
        ways["timm, floats"] = lambda: timm_floats(load)
    ways["ResDrop, bytes"] = lambda: resdrop_bytes(plan)
    ways["ResDrop, floats"] = lambda: resdrop_floats(plan)
    found: dict[str, list[Pass]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, loading in ways.items():
            found[name].append(timed(loading))
    reference = next(iter(found.values()))
    return [_row(name, passes, reference) for name, passes in found.items()]


def _row(name: str, passes: Sequence[Pass], reference: Sequence[Pass]) -> Row:
    beside = list(zip(passes, reference, strict=True))
    return Row(
        name=name,
        images_per_second=median(own.images_per_second for own in passes),
        ratio=median(own.images_per_second / other.images_per_second for own, other in beside),
        cpu_ms=1000 * median(own.cpu_seconds for own in passes),
        cpu_ratio=median(other.cpu_seconds / own.cpu_seconds for own, other in beside),
    )


def difference_from_pillow(root: Path, *, images: int) -> float:
    """The mean over pixels of what differs from Pillow's decoder and resize for the same crop, of 255."""
    draws = np.random.default_rng(0)
    differences = []
    for path in sorted((root / "train").rglob("*.jpg"))[:images]:
        with Image.open(path) as opened:
            photograph = opened.convert("RGB")
        box = random_box(photograph.width, photograph.height, draws.random(40).tolist())
        theirs = np.asarray(photograph.crop(box).resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.int64)
        own = view_of_box(decode_rgb(bytearray(path.read_bytes())), box, SIDE).permute(1, 2, 0).numpy()
        differences.append(np.abs(own.astype(np.int64) - theirs).mean())
    return float(np.mean(differences))


def main(arguments: Sequence[str]) -> int:
    given = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    print(machine_line())
    with tempfile.TemporaryDirectory() as made:
        root = given.data_dir or Path(made)
        if given.data_dir is None:
            write_class_folders(root, images=given.images)
        figures = _figures(root, given)
    write_json(given.json, "loader", figures)
    return 0


def _figures(root: Path, given: argparse.Namespace) -> dict[str, object]:
    difference = difference_from_pillow(root, images=min(given.images, 200))
    figures: dict[str, object] = {"mean_difference_of_255": difference}
    for jitter in (False, True):
        load = Load(root, given.images, given.batch, given.workers, jitter)
        rows = measure(load, rounds=given.rounds, peers=given.peers)
        title = f"with colour jitter {JITTER}" if jitter else "without colour jitter"
        print(f"\n{title}; {given.workers} processes, batch {given.batch}, {given.images} JPEG files")
        print(table(("loader", "images/s", "ratio", "CPU ms", "CPU ratio"), [_cells(row) for row in rows]))
        figures["jitter" if jitter else "plain"] = [asdict(row) for row in rows]
    print(f"\nmean difference from Pillow for the same crop: {difference:.4f} of 255")
    return figures


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        f"{row.images_per_second:.0f}",
        f"{row.ratio:.2f}",
        f"{row.cpu_ms:.2f}",
        f"{row.cpu_ratio:.2f}",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="resdrop bench loader", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2, help="loader processes (default: %(default)s)")
    parser.add_argument("--images", type=int, default=1024, help="files to load in a round (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, help="images in a batch (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of each system, in turn (default: %(default)s)")
    parser.add_argument("--data_dir", type=Path, help="class folders of your own (default: files are made)")
    parser.add_argument(
        "--peers", action=argparse.BooleanOptionalAction, default=True, help="measure timm as well as torchvision"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser
