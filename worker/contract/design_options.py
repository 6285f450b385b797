"""Command-line options for the arms and the plan of a comparison, for the service's command and the engine's alike."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from worker.contract.errors import field_errors
from worker.contract.plan import Question, Stopping
from worker.contract.templates import TEMPLATES, varied

_PLAN = ("question", "margin", "stopping", "max_seeds", "confidence", "metric")
#: What makes the arms and seeds is not for the configuration to say.
_SET_BY_ITSELF = {"seed": "name the seeds with --seeds", "sd": "each seed gets a run without and one with it"}


def add_design_options(parser: argparse.ArgumentParser) -> None:
    """Options that are left out are None; the values of the plan stay text, which `Plan.model_validate` converts."""
    arms = parser.add_mutually_exclusive_group()
    names = [template.name for template in TEMPLATES]
    arms.add_argument("--template", choices=names, metavar="NAME", help=f"arms to begin from: {', '.join(names)}")
    arms.add_argument(
        "--arm",
        action="append",
        type=_arm,
        metavar="NAME[:SETTING=VALUE,...]",
        help='an arm and what it changes, such as "pL 0.8:sd=1,pL=0.8"; say it again for each, the reference first',
    )
    arms.add_argument("--vary", type=_varied, metavar="SETTING=V1,V2,...", help="an arm for each value of one setting")
    add_plan_options(parser)


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    plan = parser.add_argument_group("plan: what decides, settled before the first run")
    plan.add_argument("--question", choices=[question.value for question in Question], help="(default: difference)")
    plan.add_argument("--margin", metavar="M", help="of non_inferiority: the greatest loss that would be accepted")
    plan.add_argument("--stopping", choices=[stopping.value for stopping in Stopping], help="(default: fixed)")
    plan.add_argument("--max-seeds", dest="max_seeds", metavar="N", help="of a sequential plan (default: 30)")
    plan.add_argument("--confidence", metavar="C", help="(default: 0.95)")
    plan.add_argument("--metric", choices=("val/top1", "val/top5", "val/loss"), help="(default: val/top1)")


def asked_arms(arguments: argparse.Namespace) -> list[dict[str, Any]] | None:
    """As a client sends them; None where none are named but by a template."""
    found: list[dict[str, Any]] | None = arguments.arm or arguments.vary
    return found


def asked_plan(arguments: argparse.Namespace) -> dict[str, Any]:
    """Only what was typed."""
    return {name: value for name in _PLAN if (value := getattr(arguments, name)) is not None}


def set_by_itself(arguments: argparse.Namespace, settings: Sequence[str]) -> str | None:
    """The refusal of the first of these settings that was typed and that the comparison sets; None where none was."""
    typed = next((name for name in settings if hasattr(arguments, name)), None)
    return None if typed is None else f"--{typed} is set by the comparison itself; {_SET_BY_ITSELF[typed]}."


def _arm(text: str) -> dict[str, Any]:
    name, _, changes = text.partition(":")
    settings = {}
    for change in filter(None, changes.split(",")):
        setting, equals, value = change.partition("=")
        if not equals:
            raise argparse.ArgumentTypeError(f"{change!r} of {text!r} has no value; write SETTING=VALUE")
        if setting.strip() in settings:
            raise argparse.ArgumentTypeError(f"{text!r} names {setting.strip()} twice; leave one out")
        settings[setting.strip()] = _value(value)
    return {"name": name, "settings": settings}


def _varied(text: str) -> list[dict[str, Any]]:
    setting, equals, values = text.partition("=")
    if not equals or "," not in values:
        raise argparse.ArgumentTypeError(f"{text!r} names no values; write SETTING=V1,V2 with two or more")
    try:
        return [arm.model_dump() for arm in varied(setting.strip(), [_value(value) for value in values.split(",")])]
    except ValidationError as error:
        sentences = [sentence for found in field_errors(error).values() for sentence in found]
        raise argparse.ArgumentTypeError("; ".join(sentences)) from None


def _value(text: str) -> Any:
    """As JSON has it; what is neither number nor truth is a word. `none` takes a value away."""
    text = text.strip()
    if text.lower() == "none":
        return None
    try:
        return json.loads(text.lower() if text.lower() in ("true", "false") else text)
    except ValueError:
        return text
