"""`compare`: baselines and their twins with stochastic depth, for several seeds, in one results folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from worker.contract.options import add_config_options, seeds_option
from worker.engine.leaving import leaving_at_once
from worker.engine.threads import wait_politely
from worker.engine.verbs.asking import add_preset_option, asked_config, refusing


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "compare",
        help="train baseline and stochastic depth for each seed, and compare them",
        description="Train a baseline and its twin with stochastic depth for each seed, and compare them: a table, "
        "paired differences, report.html and comparison.csv. Ctrl-C leaves checkpoints; the same command goes on.",
        usage="%(prog)s [-h] --out FOLDER [--mode MODE]\n"
        "    [--gpu_split] [--seeds 0-4] [--preset NAME] [--fresh]\n    [--SETTING VALUE ...]",
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
        help="a pair is trained for each, such as 0-4 or 0,2,5-7 (default: the one seed of --seed)",
    )
    add_preset_option(parser)
    parser.add_argument("--fresh", action="store_true", help="delete a comparison that the folder holds, begin anew")
    add_config_options(parser)


@refusing
def _compare(arguments: argparse.Namespace) -> int:
    from worker.engine.compare.arms import arms_of
    from worker.engine.compare.folder import ComparisonFolder, Design

    config = asked_config(arguments)
    seeds = tuple(arguments.seeds or [config.seed])
    design = Design(mode=arguments.mode, gpu_split=arguments.gpu_split, seeds=seeds, config=config)
    arms_of(config, seeds=seeds, root=arguments.out)
    ComparisonFolder(arguments.out).refuse_strangers()
    wait_politely()
    with leaving_at_once():
        from worker.engine.compare.command import run

    return run(design, out=arguments.out, fresh=arguments.fresh)
