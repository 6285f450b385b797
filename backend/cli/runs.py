"""`resdrop runs`: a client of the REST interface."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import cast

from backend.cli.run_text import figures, progress, say_run, say_runs
from backend.cli.service import add_service_options, connected
from backend.cli.terminal import complain, say, say_json
from backend.client import FINAL, Client, ClientError, Json, Refused, Retry, RunAction
from backend.process.errors import CommandError
from worker.contract.options import add_config_options, given_settings, list_presets
from worker.contract.text import shown

_WATCH_SECONDS = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_list(verbs)
    _add(verbs, "show", _show, "everything about a run").add_argument("id")
    _add_launch(verbs)
    for action, text in _ACTIONS.items():
        _add(verbs, action, _act, text).add_argument("ids", nargs="+", metavar="id")
    _add(verbs, "delete", _delete, "delete runs that have ended, with their checkpoints").add_argument(
        "ids", nargs="+", metavar="id"
    )
    logs = _add(verbs, "logs", _logs, "what the training printed")
    logs.add_argument("id")
    logs.add_argument("--follow", action="store_true", help="go on until the run has ended")
    _add(verbs, "watch", _watch, "follow a run to its end; exit code 0 when it completes").add_argument("id")


_ACTIONS = {
    "pause": "pause runs at a checkpoint; the device is freed",
    "resume": "let paused, stopped or failed runs go on from their last checkpoint",
    "stop": "stop runs, keeping a checkpoint",
}

_Verbs = argparse._SubParsersAction  # argparse has no public name for it


def _add(
    verbs: _Verbs[argparse.ArgumentParser], name: str, carry_out: Callable[[Client, argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    added = verbs.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
    add_service_options(added)
    added.set_defaults(carry_out=carry_out)
    return added


def _add_list(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    added = _add(verbs, "list", _list, "runs, newest first")
    added.add_argument("--status", help="queued, starting, running, paused, completed, failed or stopped")
    added.add_argument("-q", help="words of name, tags and notes, or the beginning of an id")
    added.add_argument("--tag")
    added.add_argument("--sort", help="a field, with - before it for the greatest first (default: -created_at)")
    added.add_argument("--limit", type=int, default=50, help="how many at most (default: %(default)s)")


def _add_launch(verbs: _Verbs[argparse.ArgumentParser]) -> None:
    added = _add(verbs, "launch", _launch, "launch a run")
    add_launch_options(added)
    added.add_argument("--watch", action="store_true", help="follow it to its end")


def add_launch_options(parser: argparse.ArgumentParser) -> None:
    """A name, tags, notes, a preset and every setting of a run."""
    parser.add_argument("--name")
    parser.add_argument("--tag", action="append", default=[], help="may be given more than once")
    parser.add_argument("--notes", default="")
    help_ = "start from one of the configurations at the end; the settings given beside it win"
    parser.add_argument("--preset", metavar="NAME", help=help_)
    add_config_options(parser)
    list_presets(parser)


def chosen_config(client: Client, arguments: argparse.Namespace) -> Json:
    """The preset, if one was named, with what was typed laid over it; the service judges the values."""
    try:
        base = client.preset(arguments.preset) if arguments.preset else {}
    except KeyError as error:
        raise CommandError(f"--preset: {error.args[0]}.") from error
    return {**base, **given_settings(arguments)}


def run(arguments: argparse.Namespace) -> int:
    with connected(arguments) as client:
        return int(arguments.carry_out(client, arguments))


def _list(client: Client, arguments: argparse.Namespace) -> int:
    if arguments.limit < 1:
        raise CommandError(f"--limit {arguments.limit}: take 1 or more.")
    found = list(
        client.runs(
            limit=arguments.limit, status=arguments.status, q=arguments.q, tag=arguments.tag, sort=arguments.sort
        )
    )
    say_json(found) if arguments.json else say_runs(found)
    return 0


def _show(client: Client, arguments: argparse.Namespace) -> int:
    found = client.run(arguments.id)
    say_json(found) if arguments.json else say_run(found)
    return 0


def _launch(client: Client, arguments: argparse.Namespace) -> int:
    made = client.launch(
        chosen_config(client, arguments), name=arguments.name, tags=arguments.tag, notes=arguments.notes
    )
    if arguments.json:
        say_json(made)
    else:
        say(f"{made['id']} is {made['status']}: {shown(made['name'])}   {client.url}/runs/{made['id']}")
        for warning in made.get("warnings") or ():
            complain(f"warning: {warning}")
    return _follow(client, made["id"]) if arguments.watch else 0


def _act(client: Client, arguments: argparse.Namespace) -> int:
    def act(run_id: str) -> None:
        answer = client.act(run_id, cast(RunAction, arguments.verb))
        say_json(answer) if arguments.json else say(f"{answer['id']} is {answer['status']}")

    return _each(arguments.ids, act)


def _delete(client: Client, arguments: argparse.Namespace) -> int:
    def delete(run_id: str) -> None:
        client.delete(run_id)
        say(f"{run_id} is deleted")

    return _each(arguments.ids, delete)


def _each(run_ids: Sequence[str], carry_out: Callable[[str], None]) -> int:
    """One refusal keeps none of the others from being carried out and told."""
    refused = 0
    for run_id in run_ids:
        try:
            carry_out(run_id)
        except Refused as error:
            refused += 1
            complain(f"{run_id}: {error}")
    return 1 if refused else 0


def _logs(client: Client, arguments: argparse.Namespace) -> int:
    after, retry = 0, Retry()
    while True:
        try:
            ended = not arguments.follow or client.run(arguments.id)["status"] in FINAL
            for entry in client.logs(arguments.id, after=after):
                after = entry["seq"]
                say_json(entry) if arguments.json else say(shown(entry["line"], keep="\t"))
        except ClientError as error:
            retry.wait_after(error)
            continue
        if ended:
            return 0
        retry.succeeded()
        time.sleep(_WATCH_SECONDS)


def _watch(client: Client, arguments: argparse.Namespace) -> int:
    return _follow(client, arguments.id)


def _follow(client: Client, run_id: str) -> int:
    """A line for each change, rewritten in place on a terminal. Ends with the run."""
    shown = ""
    for found in client.follow(run_id, every=_WATCH_SECONDS):
        line = f"{found['status']:<10} epoch {progress(found)}  {figures(found)}".rstrip()
        if line != shown:
            _rewrite(line)
            shown = line
    _rewrite("")
    say_run(found)
    return 0 if found["status"] == "completed" else 1


def _rewrite(line: str) -> None:
    if sys.stdout.isatty():
        print(f"\r\033[K{shown(line)}", end="", flush=True)
    elif line:
        say(line)
