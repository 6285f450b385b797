"""The engine's command line: `resdrop <verb>`. torch is imported only once the input is sound."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from worker.engine.launcher import LaunchRefused, refuse_several
from worker.engine.leaving import INTERRUPTED, leaving_at_once
from worker.engine.parsing import Parser
from worker.engine.terminal import guard_standard_streams

BAD_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    with leaving_at_once():
        arguments = _parser().parsed(argv)
    try:
        if "takes_ranks" not in arguments:
            refuse_several(arguments.command)
        return int(arguments.verb(arguments))
    except LaunchRefused as refusal:
        print(refusal, file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _parser() -> Parser:
    parser = Parser(prog="resdrop", description=__doc__)
    verbs = parser.add_subparsers(title="verbs", dest="command", metavar="<verb>", required=True)
    for module in verb_modules():
        module.add(verbs)
    return parser


def verb_modules() -> tuple[ModuleType, ...]:
    """Imported only here, because pydantic takes some tenths of a second in which somebody may press Ctrl-C."""
    from worker.engine.verbs import compare, data, estimate, evaluate, evidence, export, train

    return train, compare, evaluate, evidence, export, estimate, data


def _escape_what_cannot_be_said() -> None:
    """A file's name with letters that the terminal does not have ends nothing; on stderr Python does so itself.

    What would command the terminal is shown instead.
    """
    for name in ("stdout", "stderr"):
        # It was closed before the start.
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  for as long as the process lives
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    guard_standard_streams()


def leave(code: int) -> NoReturn:
    """Ends the process at once: nothing is left to do, and taking torch apart module by module takes seconds."""
    for stream in (sys.stdout, sys.stderr):
        # Whoever read them may be gone.
        with suppress(OSError, AttributeError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    _escape_what_cannot_be_said()
    leave(main())
