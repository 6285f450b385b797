"""What `evaluate` and `export` ask for alike: a checkpoint, its weights, and where to compute."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from worker.engine.verbs.asking import with_whole_path

if TYPE_CHECKING:
    from worker.engine.restored import Source

#: Settings of the run that may be another here.
CHANGEABLE = ("data_dir", "image_size", "device", "amp", "threads", "loader_workers")


def add_source_options(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--checkpoint", type=Path, metavar="FILE", help="a checkpoint; its settings are in it")
    source.add_argument("--run", type=Path, metavar="FOLDER", help="a run's folder, whose last checkpoint is taken")
    parser.add_argument("--best", action="store_true", help="with --run: the checkpoint of the best val/top1")
    parser.add_argument(
        "--weights", choices=("ema", "raw"), help="the weight average, or what was trained (default: ema if there)"
    )
    for name in CHANGEABLE:
        spellings = dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"])
        parser.add_argument(*spellings, dest=name, metavar="X", help=f"{name} here (default: as in the run)")


def source_of(arguments: argparse.Namespace) -> Source:
    from worker.engine.restored import Source

    return Source(checkpoint=arguments.checkpoint, run=arguments.run, best=arguments.best, weights=arguments.weights)


def changes_of(arguments: argparse.Namespace, *more: str) -> dict[str, object]:
    given = {name: getattr(arguments, name) for name in (*CHANGEABLE, *more)}
    return with_whole_path({name: value for name, value in given.items() if value is not None})
