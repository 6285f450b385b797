"""`python -m backend.cli VERB`: the commands of the service. A verb's module is imported only when it is asked for."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from backend.cli.parsing import Parser
from backend.cli.terminal import complain, leave_quietly
from backend.process.errors import CommandError
from worker.common.disk import remedy_of, takes_nothing

VERBS = {
    "up": "start everything on this machine and open the page",
    "down": "stop what `up` started; training goes on with the next `up`",
    "status": "what runs, where it answers, workers and queue",
    "doctor": "check Python, torch, devices, Redis, database and disk",
    "runs": "list, launch, watch, pause, resume, stop runs",
    "comparisons": "launch, show and report baselines with their stochastic-depth twins",
    "datasets": "list what can be trained on, name folders of images",
}
#: Answered by the launcher before this module is reached; named here only for suggestions.
_LAUNCHER_VERBS = ("train", "test", "help")


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 0 done, 1 it could not be done, 2 the command line was not understood."""
    try:
        return _carry_out(arguments)
    finally:
        leave_quietly()


def _carry_out(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        return _show_verbs()
    verb, rest = arguments[0], arguments[1:]
    if verb not in VERBS:
        return _unknown(verb)
    module = importlib.import_module(f"backend.cli.{verb}")
    parser = Parser(prog=f"resdrop {verb}", description=_sentence(VERBS[verb]))
    module.add_arguments(parser)
    try:
        return int(module.run(parser.parse_args(rest)))
    except CommandError as error:
        complain(str(error))
        return 1
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            return _reader_gone()
        complain(_explained(verb, error))
        return 1
    except KeyboardInterrupt:
        return 130


def _explained(verb: str, error: OSError) -> str:
    """A disk or a file that let the command down, in one sentence."""
    place = f"{error.filename}: " if error.filename else ""
    remedy = remedy_of(error, Path(error.filename or ".")) if takes_nothing(error) else "see to it, and try again"
    return f"`resdrop {verb}` cannot go on: {place}{error.strerror or error}; {remedy}."


def _show_verbs() -> int:
    width = max(map(len, VERBS))
    print("usage: resdrop VERB [options]\n")
    print("\n".join(f"  {verb.ljust(width)}  {text}" for verb, text in VERBS.items()))
    return 0


def _unknown(verb: str) -> int:
    near = difflib.get_close_matches(verb, [*VERBS, *_LAUNCHER_VERBS], n=1)
    meant = f"; did you mean `resdrop {near[0]}`?" if near else "."
    complain(f"There is no command {verb!r}{meant} `resdrop --help` lists them all.")
    return 2


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _reader_gone() -> int:
    """As `resdrop runs list | head` leaves it; closing standard output would complain once more."""
    sys.stderr.close()
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
