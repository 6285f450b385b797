"""The engine's command line: `python -m worker.engine <verb>`. torch is imported only once the input is sound."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from worker.contract.config import RunConfig
from worker.contract.errors import field_errors
from worker.contract.options import add_config_options, given_settings
from worker.contract.presets import PRESETS
from worker.engine.threads import wait_politely

BAD_INPUT, INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.verb(arguments))
    except KeyboardInterrupt:
        print("interrupted before the training began", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m worker.engine", description=__doc__, allow_abbrev=False)
    verbs = parser.add_subparsers(title="verbs", metavar="<verb>", required=True)
    train = verbs.add_parser(
        "train",
        help="train one run into a folder, or go on with it",
        description="Train one run into a folder. Ctrl-C leaves a checkpoint; the same command goes on from there.",
        allow_abbrev=False,
    )
    train.set_defaults(verb=_train)
    train.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the results go")
    names = [preset.name for preset in PRESETS]
    train.add_argument("--preset", choices=names, help="settings to begin from; options below replace them")
    train.add_argument("--fresh", action="store_true", help="delete a run that the folder holds, and begin anew")
    add_config_options(train)
    return parser


def _train(arguments: argparse.Namespace) -> int:
    from worker.engine.results import FolderRefused, ResultsFolder

    folder = ResultsFolder(arguments.out)
    try:
        config = RunConfig.model_validate({**_preset(arguments.preset), **given_settings(arguments)})
        folder.refuse_strangers()
        if not arguments.fresh:
            folder.refuse_other_run(config)
            if folder.has_completed():
                print(f"the run in {folder.root} is completed; --fresh begins it anew")
                return 0
    except ValidationError as error:
        for field, sentences in field_errors(error).items():
            print(f"{field}: {'; '.join(sentences)}", file=sys.stderr)
        return BAD_INPUT
    except FolderRefused as refusal:
        print(refusal, file=sys.stderr)
        return BAD_INPUT
    wait_politely()
    from worker.engine.train_command import run

    return run(config, out=arguments.out, fresh=arguments.fresh)


def _preset(name: str | None) -> dict[str, object]:
    return next((preset.config.model_dump(mode="json") for preset in PRESETS if preset.name == name), {})


def _exit(code: int) -> NoReturn:
    """Ends the process at once: nothing is left to do, and taking torch apart module by module takes seconds."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _exit(main())
