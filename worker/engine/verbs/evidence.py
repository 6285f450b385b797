"""`evidence`: the verdict on numbers from anywhere, without any training, torch or service."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pydantic import ValidationError

from worker.contract.errors import field_errors
from worker.contract.plan import Question, Rule, Stopping
from worker.engine.output import complain, say

BAD_INPUT = 2
STANDARD_INPUT = Path("-")


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "evidence",
        help="judge results from anywhere: a CSV of arm, seed and value",
        description="Compare arms over seeds by the rule that a comparison of ResDrop is judged by. FILE is a CSV with "
        "the columns arm, seed and value, a row for each run; a run without a value is empty, failed, stopped or "
        "diverged. Nothing is trained.",
        allow_abbrev=False,
    )
    parser.set_defaults(verb=_evidence)
    parser.add_argument("file", type=Path, metavar="FILE", help="the CSV, or - for standard input")
    parser.add_argument("--reference", metavar="ARM", help="what the others are compared with (default: the arm "
                        '"baseline" if there is one, else the first)')  # fmt: skip
    parser.add_argument(
        "--question",
        choices=[question.value for question in Question],
        help="do the arms differ, or is one not inferior by more than --margin (default: difference)",
    )
    parser.add_argument("--margin", metavar="M", help="the greatest loss that would still be accepted")
    parser.add_argument(
        "--stopping",
        choices=[stopping.value for stopping in Stopping],
        help="fixed if the number of seeds was settled before; sequential if results were looked at while seeds were "
        "added (default: fixed)",
    )
    parser.add_argument("--planned", type=_count, metavar="N", help="so many seeds were planned; others that the file "
                        "has came in addition (default: all)")  # fmt: skip
    parser.add_argument("--max-seeds", dest="max_seeds", metavar="N", help="of a sequential plan (default: 30)")
    parser.add_argument("--confidence", metavar="C", help="(default: 0.95)")
    parser.add_argument("--lower-is-better", action="store_true", help="for a loss or an error")
    parser.add_argument("--json", action="store_true", help="print the whole verdict as JSON")


def _evidence(arguments: argparse.Namespace) -> int:
    from worker.evidence.estimates import ScipyMissing, require_scipy
    from worker.evidence.study_text import as_text
    from worker.evidence.study_verdict import decide
    from worker.evidence.table import TableRefused, read_study

    try:
        require_scipy()
        rule = _rule(arguments)
        study = read_study(
            _text(arguments.file),
            reference=arguments.reference,
            higher_is_better=not arguments.lower_is_better,
            planned=arguments.planned,
        )
    except ValidationError as error:
        for field, sentences in field_errors(error).items():
            complain(f"{_option(field)}: {'; '.join(sentences)}")
        return BAD_INPUT
    except OSError as error:
        complain(f"{arguments.file} cannot be read: {error.strerror or error}")
        return BAD_INPUT
    except UnicodeDecodeError:
        complain(f"{arguments.file} is not UTF-8 text; save it as CSV in UTF-8")
        return BAD_INPUT
    except (TableRefused, ScipyMissing) as refusal:
        complain(str(refusal))
        return BAD_INPUT
    verdict = decide(study, rule)
    if arguments.json:
        say(json.dumps({"rule": rule.model_dump(mode="json"), **verdict.model_dump(mode="json")}, allow_nan=False))
    else:
        say(as_text(verdict, rule))
    return 0


def _rule(arguments: argparse.Namespace) -> Rule:
    """Raises ValidationError."""
    names = ("question", "margin", "stopping", "max_seeds", "confidence")
    return Rule.model_validate({name: value for name in names if (value := getattr(arguments, name)) is not None})


def _text(file: Path) -> str:
    """Raises OSError and UnicodeDecodeError."""
    data = sys.stdin.buffer.read() if file == STANDARD_INPUT else file.read_bytes()
    return data.decode("utf-8")


def _option(field: str) -> str:
    return f"--{field.replace('_', '-')}" if field in Rule.model_fields else "rule"


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text[:9]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0; say how many seeds were planned")
    return int(text[:9])
