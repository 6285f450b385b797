"""`evaluate`: loss and accuracies of a checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path

from worker.engine.leaving import leaving_at_once
from worker.engine.threads import wait_politely
from worker.engine.verbs.asking import refusing
from worker.engine.verbs.restoring import add_source_options, changes_of, source_of


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "evaluate",
        help="measure loss and accuracies of a checkpoint",
        description="Measure loss, top-1 and top-5 of a checkpoint as its run does: the number is the run's own, "
        "unless another image_size is asked for. Where the run takes batch norm again, its own batches are taken for "
        "that, whatever --batch says, unless they do not fit the memory; the output says so.",
        allow_abbrev=False,
    )
    parser.set_defaults(verb=_evaluate)
    add_source_options(parser)
    parser.add_argument(
        "--split", choices=("val", "train"), default="val", help="which images, as an evaluation sees them"
    )
    parser.add_argument("--batch", metavar="N", help="images computed at once (default: as in the run)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write counts and accuracy of each class here")


@refusing
def _evaluate(arguments: argparse.Namespace) -> int:
    wait_politely()
    with leaving_at_once():
        from worker.engine.evaluate_command import run

    return run(source_of(arguments), changes_of(arguments, "batch"), split=arguments.split, table=arguments.csv)
