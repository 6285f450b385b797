"""What several verbs ask for alike: a configuration, and a refusal in one sentence where it cannot be had."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from worker.contract.config import RunConfig
from worker.contract.design import DesignRefused
from worker.contract.errors import field_errors
from worker.contract.options import given_settings, list_presets
from worker.contract.presets import PRESETS

BAD_INPUT = 2

Verb = Callable[[argparse.Namespace], int]


def add_preset_option(parser: argparse.ArgumentParser) -> None:
    names = [preset.name for preset in PRESETS]
    help_ = "settings to begin from, one of those at the end; options below replace them"
    parser.add_argument("--preset", choices=names, metavar="NAME", help=help_)
    list_presets(parser)


def asked_config(arguments: argparse.Namespace) -> RunConfig:
    """The preset with what was typed laid over it. Raises ValidationError."""
    return RunConfig.model_validate({**preset_settings(arguments.preset), **typed_settings(arguments)})


def typed_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Only what was typed. A folder's path begins where the command was given, and may end with a slash."""
    return with_whole_path(given_settings(arguments))


def with_whole_path(settings: dict[str, Any]) -> dict[str, Any]:
    folder = settings.get("data_dir")
    return settings | ({"data_dir": str(Path(folder).absolute())} if folder else {})


def refusing(verb: Verb) -> Verb:
    """`verb` with bad input said on standard error, a sentence for each field, and exit code 2."""
    from worker.engine.results import FolderRefused

    @wraps(verb)
    def answer(arguments: argparse.Namespace) -> int:
        try:
            return verb(arguments)
        except ValidationError as error:
            _complain(field_errors(error))
        except DesignRefused as refusal:
            _complain(refusal.errors)
        except FolderRefused as refusal:
            print(refusal, file=sys.stderr)
        return BAD_INPUT

    return answer


def _complain(errors: Mapping[str, Sequence[str]]) -> None:
    for field, sentences in errors.items():
        print(f"{field}{': ' if field else ''}{'; '.join(sentences)}", file=sys.stderr)


def preset_settings(name: str | None) -> dict[str, object]:
    """As JSON values; nothing for none."""
    return next((preset.config.model_dump(mode="json") for preset in PRESETS if preset.name == name), {})
