"""`resdrop comparisons`: arms beside each other over seeds, through the REST interface."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from backend.cli.run_text import say_comparison, say_preview
from backend.cli.runs import add_launch_options, chosen_config
from backend.cli.service import add_service_options, connected
from backend.cli.terminal import say, say_json, say_table
from backend.client import Client
from backend.process.errors import CommandError
from worker.contract.options import seeds_option
from worker.contract.plan import Question, Stopping
from worker.contract.templates import TEMPLATES, varied

#: What makes the arms and seeds is not for the configuration to say.
_SET_BY_ITSELF = {"seed": "name the seeds with --seeds", "sd": "each seed gets a run without and one with it"}
_PLAN = ("question", "margin", "stopping", "max_seeds", "confidence", "metric")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    create = verbs.add_parser(
        "create",
        help="launch a run of each arm for each seed",
        description="Launch a run of each arm for each seed: a baseline and its stochastic-depth twin, the arms of a "
        "template, or arms of your own. They are alike in all else.",
    )
    add_service_options(create)
    create.add_argument(
        "--seeds",
        type=seeds_option,
        default=[0],
        metavar="SEEDS",
        help="such as 0-4 or 0,2,5-7 (default: 0)",
    )
    _add_design_options(create)
    create.add_argument(
        "--mode",
        choices=("sequential", "parallel"),
        default="sequential",
        help="one run after the other, or as many at once as devices are free (default: %(default)s)",
    )
    create.add_argument(
        "--preview", action="store_true", help="say what it would take and could show, and launch nothing"
    )
    add_launch_options(create)
    create.set_defaults(carry_out=_create)
    found = verbs.add_parser("list", help="all comparisons")
    add_service_options(found)
    found.set_defaults(carry_out=_list)
    show = verbs.add_parser("show", help="runs and verdict of one")
    add_service_options(show)
    show.add_argument("id")
    show.set_defaults(carry_out=_show)
    report = verbs.add_parser("report", help="write one to a page that opens without the service")
    add_service_options(report)
    report.add_argument("id")
    report.add_argument("--out", type=Path, metavar="FILE", help="where to (default: resdrop-ID.html here)")
    report.set_defaults(carry_out=_report)


def run(arguments: argparse.Namespace) -> int:
    with connected(arguments) as client:
        return int(arguments.carry_out(client, arguments))


def _add_design_options(create: argparse.ArgumentParser) -> None:
    arms = create.add_mutually_exclusive_group()
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
    plan = create.add_argument_group("plan: what decides, settled before the first run")
    plan.add_argument("--question", choices=[question.value for question in Question], help="(default: difference)")
    plan.add_argument("--margin", metavar="M", help="of non_inferiority: the greatest loss that would be accepted")
    plan.add_argument("--stopping", choices=[stopping.value for stopping in Stopping], help="(default: fixed)")
    plan.add_argument("--max-seeds", dest="max_seeds", metavar="N", help="of a sequential plan (default: 30)")
    plan.add_argument("--confidence", metavar="C", help="(default: 0.95)")
    plan.add_argument("--metric", choices=("val/top1", "val/top5", "val/loss"), help="(default: val/top1)")


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
    return [arm.model_dump() for arm in varied(setting.strip(), [_value(value) for value in values.split(",")])]


def _value(text: str) -> Any:
    """As the service's own JSON has it; what is neither number nor truth is a word. `none` takes a value away."""
    text = text.strip()
    if text.lower() == "none":
        return None
    try:
        return json.loads(text.lower() if text.lower() in ("true", "false") else text)
    except ValueError:
        return text


def _chosen_arms(arguments: argparse.Namespace) -> list[dict[str, Any]] | None:
    found: list[dict[str, Any]] | None = arguments.arm or arguments.vary
    return found


def _create(client: Client, arguments: argparse.Namespace) -> int:
    arms = _chosen_arms(arguments)
    for option, instead in _SET_BY_ITSELF.items():
        # Of arms of one's own stochastic depth may be what they share.
        if hasattr(arguments, option) and (option == "seed" or not arms):
            raise CommandError(f"--{option} is set by the comparison itself; {instead}.")
    design: dict[str, Any] = {
        "seeds": arguments.seeds,
        "arms": arms,
        "template": arguments.template,
        "plan": {name: value for name in _PLAN if (value := getattr(arguments, name)) is not None},
    }
    config = chosen_config(client, arguments)
    if arguments.preview:
        found = client.preview_comparison(config, **design)
        say_json(found) if arguments.json else say_preview(found)
        return 0
    told = {"name": arguments.name, "tags": arguments.tag, "notes": arguments.notes}
    made = client.create_comparison(config, mode=arguments.mode, **design, **told)
    if arguments.json:
        say_json(made)
        return 0
    say_comparison(made)
    say(f"{client.url}/comparisons/{made['id']}")
    return 0


def _list(client: Client, arguments: argparse.Namespace) -> int:
    found = client.comparisons()
    if arguments.json:
        say_json(found)
    elif found:
        rows = [(item["id"], item.get("name") or "", str(len(item["runs"])), _state(item)) for item in found]
        say_table(("ID", "NAME", "RUNS", "STATUS"), rows)
    else:
        say("There are no comparisons.")
    return 0


def _state(comparison: dict[str, list[dict[str, str]]]) -> str:
    statuses = [run["status"] for run in comparison["runs"]]
    return ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))


def _show(client: Client, arguments: argparse.Namespace) -> int:
    found = client.comparison(arguments.id)
    say_json(found) if arguments.json else say_comparison(found)
    return 0


def _report(client: Client, arguments: argparse.Namespace) -> int:
    page = client.comparison_report(arguments.id)
    path: Path = arguments.out or Path(f"resdrop-{arguments.id}.html")
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"--out {path}: {error.strerror}; name a file that can be written.") from error
    say_json({"file": str(path)}) if arguments.json else say(str(path))
    return 0
