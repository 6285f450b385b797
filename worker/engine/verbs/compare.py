"""`compare`: arms beside each other over seeds, in one results folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from worker.contract.design_options import add_design_options
from worker.contract.options import add_config_options, seeds_option
from worker.engine.leaving import leaving_at_once
from worker.engine.threads import wait_politely
from worker.engine.verbs.asking import add_preset_option, asked_config, refusing


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "compare",
        help="train arms for each seed, such as baseline and stochastic depth, and compare them",
        description="Train a run of each arm for each seed, and compare them: a baseline and its stochastic-depth "
        "twin, the arms of a template, or arms of your own. They are alike in all else. The folder gets a table, the "
        "verdict, report.html and comparison.csv. Ctrl-C leaves checkpoints; the same command goes on, and arms and "
        "plan need not be typed again.",
        usage="%(prog)s [-h] --out FOLDER [--mode MODE]\n"
        "    [--gpu_split] [--seeds 0-4] [--template NAME | --arm ... | --vary ...]\n"
        "    [--PLAN VALUE ...] [--preset NAME] [--fresh] [--SETTING VALUE ...]",
        allow_abbrev=False,
    )
    parser.set_defaults(verb=_compare)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where all results go")
    parser.add_argument(
        "--mode",
        choices=("sequential", "parallel"),
        default="sequential",
        help="one run after the other, or several at once on GPUs of their own, else two sharing what there is "
        "(default: sequential)",
    )
    parser.add_argument(
        *("--gpu_split", "--gpu-split"),
        action="store_true",
        help="with --mode parallel: insist on GPUs of its own for each run, and refuse to share one",
    )
    parser.add_argument(
        "--seeds",
        type=seeds_option,
        metavar="SEEDS",
        help="such as 0-4 or 0,2,5-7; a sequential plan begins with them (default: the one seed of --seed)",
    )
    add_design_options(parser)
    add_preset_option(parser)
    parser.add_argument("--fresh", action="store_true", help="delete a comparison that the folder holds, begin anew")
    add_config_options(parser)


@refusing
def _compare(arguments: argparse.Namespace) -> int:
    from worker.engine.compare.asked import asked_design
    from worker.engine.compare.folder import ComparisonFolder

    config = asked_config(arguments)
    folder = ComparisonFolder(arguments.out)
    design = asked_design(arguments, config, None if arguments.fresh else folder.recorded())
    design.runs(folder.root)
    folder.refuse_strangers()
    wait_politely()
    with leaving_at_once():
        from worker.engine.compare.command import run

    return run(design, out=arguments.out, fresh=arguments.fresh)
