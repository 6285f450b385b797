"""`resdrop comparisons`: arms beside each other over seeds, through the REST interface."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from backend.cli.run_text import say_comparison, say_preview
from backend.cli.runs import add_launch_options, chosen_config
from backend.cli.service import add_service_options, connected
from backend.cli.terminal import say, say_json, say_table
from backend.client import Client
from backend.process.errors import CommandError
from worker.contract.design_options import add_design_options, add_plan_options, asked_arms, asked_plan, set_by_itself
from worker.contract.options import seeds_option


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
    add_design_options(create)
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
    edit = verbs.add_parser(
        "edit",
        help="change name, plan or seeds of one",
        description="Change a comparison. Until its first run starts all may be changed; what is changed in plan or "
        "seeds later is kept as a deviation, and mostly costs the plan its claim.",
    )
    add_service_options(edit)
    edit.add_argument("id")
    edit.add_argument("--name", help="another name")
    edit.add_argument(
        "--seeds",
        type=seeds_option,
        metavar="SEEDS",
        help="all that it shall have, such as 0-6; further ones are launched",
    )
    add_plan_options(edit)
    edit.set_defaults(carry_out=_edit)
    report = verbs.add_parser("report", help="write one to a page that opens without the service")
    add_service_options(report)
    report.add_argument("id")
    report.add_argument("--out", type=Path, metavar="FILE", help="where to (default: resdrop-ID.html here)")
    report.set_defaults(carry_out=_report)


def run(arguments: argparse.Namespace) -> int:
    with connected(arguments) as client:
        return int(arguments.carry_out(client, arguments))


def _create(client: Client, arguments: argparse.Namespace) -> int:
    arms = asked_arms(arguments)
    # Of arms of one's own stochastic depth may be what they share.
    if (refusal := set_by_itself(arguments, ["seed"] if arms else ["seed", "sd"])) is not None:
        raise CommandError(refusal)
    design: dict[str, Any] = {
        "seeds": arguments.seeds,
        "arms": arms,
        "template": arguments.template,
        "plan": asked_plan(arguments),
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


def _edit(client: Client, arguments: argparse.Namespace) -> int:
    """Of the plan what is said is changed, and the rest stays but for what belongs to another question or stopping."""
    plan = asked_plan(arguments)
    if plan:
        idle = {"margin": None} if plan.get("question") == "difference" else {}
        idle |= {"max_seeds": None} if plan.get("stopping") == "fixed" else {}
        plan = client.comparison(arguments.id)["plan"] | idle | plan
    found = client.edit_comparison(arguments.id, name=arguments.name, plan=plan or None, seeds=arguments.seeds)
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
