"""How much of a GPU a training uses: images a second, peak memory, and the share of the device's matrix rate.

Whole training steps (forward, backward, optimizer) in channels_last, first on images that are in the GPU's memory
already, then through the loader from JPEG files. The matrix rate is measured beside, as the best of large products in
the same number format; the share counts three forward passes of multiply-adds for a step, and two operations each:
with stochastic depth only those that are left in the mean over gate patterns.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch

from tests.benchmarks.arm import BOTTLENECKS, Arm, Load, Way, arm_config
from tests.benchmarks.photographs import write_class_folders
from tests.benchmarks.report import machine_line, table, write_json
from worker.contract.config import RunConfig
from worker.contract.datasets import DatasetName
from worker.engine import execution
from worker.engine.compute import count_compute
from worker.engine.data import folder
from worker.engine.plan import Plan
from worker.engine.state import TrainingState
from worker.engine.step import accumulate, finish_step
from worker.engine.stochastic_depth import survival_probabilities

WARM_UP = 10
#: Steps between two looks at the clock: the program works ahead of the GPU.
CHUNK = 10
FORMATS = {"fp16": torch.float16, "bf16": torch.bfloat16, "off": torch.float32}
#: Forward, and backward by inputs and by weights.
PASSES, OPERATIONS = 3, 2
#: Epochs of the files that are made, so that the loader's start is a small part.
EPOCHS = 8


@dataclass(frozen=True)
class Row:
    """`peak_gib` is what torch had allocated at most; `share` is of the matrix rate."""

    name: str
    images_per_second: float
    step_ms: float
    peak_gib: float
    share: float


def matrix_rate(amp: str, device: str, *, size: int) -> float:
    """Operations a second of products of square matrices, the best of ten."""
    a, b = (torch.randn(size, size, device=device, dtype=FORMATS[amp]) for _ in range(2))
    seconds = [_timed(lambda: a @ b, device) for _ in range(10)]
    return OPERATIONS * size**3 / min(seconds)


def on_device(load: Load, way: Way, *, chunks: int) -> Row:
    device = way.device
    _reset_peak(device)
    arm = Arm(load, way)
    for _ in range(WARM_UP):
        arm.step()
    seconds = [_timed(lambda: arm.steps(CHUNK), device) / CHUNK for _ in range(chunks)]
    return _row(str(way), load, median(seconds), device, sd=way.sd)


def through_loader(load: Load, root: Path, *, device: str, amp: str, workers: int) -> Row:
    """From the arrival of a first chunk of batches to the last step's end."""
    wanted = arm_config(load, Way(device=device, amp=amp)).model_dump(mode="json")
    config = RunConfig.model_validate(
        wanted | {"dataset": "imagefolder", "data_dir": str(root), "loader_workers": workers, "epochs": EPOCHS}
    )
    dataset = folder.load(DatasetName.IMAGEFOLDER, data_dir=str(root), side=load.image_size)
    settled = execution.settle(config)
    plan = Plan(config, dataset, settled)
    for notice in plan.notices():
        print(notice)
    _reset_peak(device)
    state = TrainingState(config, num_classes=1000, execution=settled)
    begin, counted = 0.0, 0
    with closing(plan.training_batches(start=0)) as loaded:
        for number, batch in enumerate(loaded, start=1):
            accumulate(batch, plan=plan, state=state)
            finish_step(plan=plan, state=state)
            if number == plan.steps_per_epoch:
                _wait(device)
                begin, counted = time.perf_counter(), number
    _wait(device)
    seconds = (time.perf_counter() - begin) / (plan.total_steps - counted)
    return _row(f"{amp}, baseline, {workers} loader processes", load, seconds, device, sd=False)


def _row(name: str, load: Load, seconds: float, device: str, *, sd: bool) -> Row:
    rate = load.batch / seconds
    peak = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else 0.0
    return Row(name, rate, 1000 * seconds, peak, rate * _operations_an_image(load, sd=sd))


def _operations_an_image(load: Load, *, sd: bool) -> float:
    compute = count_compute(depth=load.depth, num_classes=1000, image_side=load.image_size)
    survival = survival_probabilities(blocks=len(compute.branches), pL=load.pL if sd else 1.0)
    return PASSES * OPERATIONS * compute.full * compute.share(survival)


def main(arguments: Sequence[str]) -> int:
    given = _parser().parse_args(arguments)
    if given.device == "cuda" and not torch.cuda.is_available():
        print("torch sees no CUDA device here; this benchmark is of one (--device cpu tries only the benchmark itself)")
        return 2
    print(machine_line())
    rates = {amp: matrix_rate(amp, given.device, size=given.matrix) for amp in given.amp}
    figures: dict[str, object] = {"matrix_rate": rates}
    for depth in given.depths:
        load = Load(depth, given.image_size, given.batch, 0.5)
        rows = [_with_share(on_device(load, way, chunks=given.chunks), rates) for way in _ways(given)]
        _print(load, rows)
        figures[f"resnet{depth}"] = [asdict(row) for row in rows]
    if given.files:
        figures["loader"] = _loader_figures(given, rates)
    write_json(given.json, "gpu", figures)
    return 0


def _ways(given: argparse.Namespace) -> list[Way]:
    compiled, autotuned = ((False, True) if asked else (False,) for asked in (given.compile, given.autotune))
    return [
        Way(sd, amp, given.device, compiled=is_compiled, autotuned=is_autotuned)
        for amp, sd, is_compiled, is_autotuned in itertools.product(given.amp, (False, True), compiled, autotuned)
    ]


def _loader_figures(given: argparse.Namespace, rates: dict[str, float]) -> list[dict[str, object]]:
    load = Load(given.depths[0], given.image_size, given.batch, 0.5)
    with tempfile.TemporaryDirectory() as made:
        write_class_folders(Path(made), images=max(given.files, given.batch))
        rows = [
            _with_share(through_loader(load, Path(made), device=given.device, amp=amp, workers=given.workers), rates)
            for amp in given.amp
        ]
    _print(load, rows)
    return [asdict(row) for row in rows]


def _with_share(row: Row, rates: dict[str, float]) -> Row:
    amp = row.name.split(",")[0]
    return Row(row.name, row.images_per_second, row.step_ms, row.peak_gib, row.share / rates[amp])


def _print(load: Load, rows: Sequence[Row]) -> None:
    print(f"\nResNet-{load.depth}, {load.image_size} px, batch {load.batch}, channels_last")
    cells = [
        (
            row.name,
            f"{row.images_per_second:.0f}",
            f"{row.step_ms:.1f}",
            f"{row.peak_gib:.1f}",
            f"{100 * row.share:.1f} %",
        )
        for row in rows
    ]
    print(table(("step", "images/s", "ms", "peak GiB", "of the matrix rate"), cells))


def _timed(work: Callable[[], object], device: str) -> float:
    _wait(device)
    start = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _reset_peak(device: str) -> None:
    if device == "cuda":
        # What went before may still hang together in cycles, and would count as this row's.
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="resdrop bench gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--depths", type=int, nargs="+", choices=BOTTLENECKS, default=[50], metavar="DEPTH")
    parser.add_argument("--image_size", type=int, default=224, help="pixels a side (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=256, help="images in a step (default: %(default)s)")
    parser.add_argument("--amp", nargs="+", choices=list(FORMATS), default=["fp16", "bf16"], help="number formats")
    parser.add_argument("--compile", action="store_true", help="measure compiled blocks too")
    parser.add_argument("--autotune", action="store_true", help="measure with autotuning too, which is not exact")
    parser.add_argument("--chunks", type=int, default=10, help=f"of {CHUNK} steps each (default: %(default)s)")
    parser.add_argument("--files", type=int, default=4096, help="JPEG files to load, or 0 (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=16, help="loader processes (default: %(default)s)")
    parser.add_argument("--matrix", type=int, default=8192, help="side of the matrices (default: %(default)s)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu tries the benchmark itself")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser
