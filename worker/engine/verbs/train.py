"""`train`: one run in a results folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from worker.contract.config import RunConfig
from worker.contract.options import add_config_options
from worker.engine.launcher import launched
from worker.engine.leaving import leaving_at_once
from worker.engine.threads import wait_politely
from worker.engine.verbs.asking import add_preset_option, asked_config, refusing


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "train",
        help="train one run into a folder, or go on with it",
        description="Train one run into a folder. Ctrl-C leaves a checkpoint; the same command goes on from there.",
        usage="%(prog)s [-h] --out FOLDER [--preset NAME]\n    [--fresh] [--SETTING VALUE ...]",
        allow_abbrev=False,
    )
    parser.set_defaults(verb=_train, takes_ranks=True)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the results go")
    add_preset_option(parser)
    parser.add_argument("--fresh", action="store_true", help="delete a run that the folder holds, and begin anew")
    add_config_options(parser)


@refusing
def _train(arguments: argparse.Namespace) -> int:
    from worker.engine.results import ResultsFolder

    folder = ResultsFolder(arguments.out)
    launch = launched()
    config: RunConfig = asked_config(arguments)
    if launch is not None:
        launch.refuse_other_number(config.devices)
    if launch is None or launch.count == 1:
        # Before torch takes its seconds; of several ranks the first one looks, and tells the others.
        folder.refuse_strangers()
        if not arguments.fresh:
            folder.refuse_other_run(config)
            if folder.has_completed():
                print(folder.completed_before())
                return 0
    wait_politely()
    with leaving_at_once():
        from worker.engine.train_command import run

    return run(config, out=arguments.out, fresh=arguments.fresh, launch=launch)
