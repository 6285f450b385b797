"""A training step with stochastic depth against one without: what skipping saves of what it could save.

Steps of the engine (forward, backward, optimizer) on images that are in memory already, one of each kind in turn, so
that what else the machine does meets all alike. `time` is the median over the gate patterns of a step's time over the
baseline's beside it, `compute` that of the share of multiply-adds that the pattern left, `quotient` that of time over
compute: 1.00 saves all that skipping can. The masks of torchvision and timm are laid over the same network's branches.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch
from torchvision.ops import StochasticDepth

from tests.benchmarks.arm import BOTTLENECKS, Arm, Load, Mask, Way
from tests.benchmarks.peers import install
from tests.benchmarks.report import machine_line, table, write_json

WARM_UP = 3
#: Masks cost the same in every pattern, so fewer of their steps tell as much.
PEERS_EVERY = 4


@dataclass(frozen=True)
class Row:
    """Medians over `steps` steps, each beside one of the baseline."""

    name: str
    seconds: float
    time: float
    compute: float
    quotient: float
    steps: int


def _peers() -> dict[str, Mask]:
    install("timm")
    from timm.layers import DropPath

    return {
        "torchvision batch": lambda p: StochasticDepth(1.0 - p, "batch"),
        "torchvision row": lambda p: StochasticDepth(1.0 - p, "row"),
        "timm DropPath": lambda p: DropPath(1.0 - p),
    }


def measure(load: Load, *, patterns: int, device: str, amp: str, subset: bool, peers: bool) -> list[Row]:
    """A row for each kind of step, the baseline first."""
    baseline = Arm(load, Way(False, amp, device))
    arms = {"ResDrop": Arm(load, Way(True, amp, device))}
    if subset:
        arms["ResDrop, sd_mode subset"] = Arm(load, Way(True, amp, device, sd_mode="subset"))
    for name, mask in _peers().items() if peers else ():
        arms[name] = Arm(load, Way(False, amp, device))
        arms[name].lay_over(mask)
    for arm in (baseline, *arms.values()):
        for _ in range(WARM_UP):
            arm.step()
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in arms}
    for turn in range(patterns):
        full = baseline.step()
        for name, arm in arms.items():
            if name == "ResDrop" or turn % PEERS_EVERY == 0:
                compute = arm.next_compute()
                found[name].append((arm.step(), full, compute))
    every = [full for _, full, _ in found["ResDrop"]]
    rows = [Row("baseline", median(every), 1.0, 1.0, 1.0, len(every))]
    return rows + [_row(name, steps) for name, steps in found.items()]


def _row(name: str, steps: Sequence[tuple[float, float, float]]) -> Row:
    return Row(
        name=name,
        seconds=median(own for own, _, _ in steps),
        time=median(own / full for own, full, _ in steps),
        compute=median(compute for _, _, compute in steps),
        quotient=median(own / full / compute for own, full, compute in steps),
        steps=len(steps),
    )


def main(arguments: Sequence[str]) -> int:
    given = _parser().parse_args(arguments)
    cuda = torch.cuda.is_available()
    device, amp = ("cuda", given.amp or "bf16") if cuda else ("cpu", given.amp or "off")
    if given.threads:
        torch.set_num_threads(given.threads)
    print(machine_line())
    figures: dict[str, object] = {}
    for depth in given.depths or ([50, 101, 152] if cuda else [50, 56, 110]):
        load = _load(depth, given, cuda)
        rows = measure(load, patterns=given.patterns, device=device, amp=amp, subset=given.subset, peers=given.peers)
        place = f"{device}, amp {amp}" + ("" if cuda else f", {torch.get_num_threads()} threads")
        print(f"\nResNet-{depth}, {load.image_size} px, batch {load.batch}, pL {load.pL}, {place}")
        print(table(("step", "ms", "time", "compute", "quotient", "steps"), [_cells(row) for row in rows]))
        figures[f"resnet{depth}"] = {
            "load": asdict(load),
            "place": place,
            "rows": [asdict(row) for row in rows],
        }
    write_json(given.json, "sd", figures)
    return 0


def _load(depth: int, given: argparse.Namespace, cuda: bool) -> Load:
    image_size, batch = _usual(depth, cuda)
    return Load(depth, given.image_size or image_size, given.batch or batch, given.pL)


def _usual(depth: int, cuda: bool) -> tuple[int, int]:
    """Image side and batch."""
    if depth not in BOTTLENECKS:
        return 32, 128
    return (224, 256 if depth == 50 else 128) if cuda else (112, 16)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        f"{row.seconds * 1000:.1f}",
        f"{row.time:.3f}",
        f"{row.compute:.3f}",
        f"{row.quotient:.3f}",
        str(row.steps),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="resdrop bench sd", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--depths", type=int, nargs="+", help="networks (default: 50 56 110; with a GPU 50 101 152)", metavar="DEPTH"
    )
    parser.add_argument("--image_size", type=int, help="pixels a side (default: 112, with a GPU 224; CIFAR nets 32)")
    parser.add_argument("--batch", type=int, help="images in a step (default: 16, with a GPU 256; CIFAR nets 128)")
    parser.add_argument("--pL", type=float, default=0.5, help="survival of the last block (default: %(default)s)")
    parser.add_argument(
        "--patterns", type=int, default=100, help="steps, each with its own gates (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, help="of torch (default: its own choice)")
    parser.add_argument("--amp", choices=("off", "bf16", "fp16"), help="(default: off, with a GPU bf16)")
    parser.add_argument("--subset", action="store_true", help="measure sd_mode subset too")
    parser.add_argument(
        "--peers", action=argparse.BooleanOptionalAction, default=True, help="measure torchvision's and timm's masks"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser
