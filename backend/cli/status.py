"""`resdrop status`: what runs on a home, where it answers, its workers and its queue."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from typing import Any

from backend.cli.run_text import say_runs, when
from backend.cli.service import refusal
from backend.cli.terminal import say, say_json, say_table
from backend.client import Client, ClientError
from backend.process import events
from backend.process.events import Event, Happening
from backend.process.home import Address, Home
from worker.common.duration import duration
from worker.common.processes import is_alive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--home", metavar="DIR", help="which ResDrop (default: $RESDROP_HOME or ~/.resdrop)")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0 when it runs and answers, 1 otherwise."""
    home = Home.chosen(arguments.home)
    address = home.address()
    if address is None:
        nothing = f"Nothing is running on {home.path}; `resdrop up` starts it."
        say_json({"running": False, "home": str(home.path)}) if arguments.json else say(nothing)
        return 1
    parts = [_part(event) for event in events.processes(home.events).values()]
    service, complaint = _ask(address, home)
    if arguments.json:
        say_json({"running": True, "home": str(home.path), "url": address.url, "parts": parts, **service})
    else:
        _tell(home, address, parts, service, complaint)
    return 1 if complaint else 0


def _part(event: Event) -> dict[str, Any]:
    runs = event.what is Happening.STARTED and is_alive(event.pid, event.born)
    state = "running" if runs else {Happening.STARTED: "dead"}.get(event.what, event.what.value)
    return {"name": event.program, "state": state, "pid": event.pid if runs else None, "since": event.at}


def _ask(address: Address, home: Home) -> tuple[dict[str, Any], str]:
    """What the service says of itself, and a complaint where it does not."""
    try:
        token = os.environ.get("RESDROP_TOKEN") or home.token()
        with Client(address.url, token=token, timeout=5, is_own=True) as client:
            return {"health": client.health(), "workers": client.workers(), "queue": client.queue()}, ""
    except ClientError as error:
        return {}, refusal(error)


def _tell(home: Home, address: Address, parts: list[dict[str, Any]], service: dict[str, Any], complaint: str) -> None:
    up_for = (datetime.now(UTC) - datetime.fromisoformat(address.started_at)).total_seconds()
    say(f"{address.url}   home {home.path}   up for {duration(up_for)}\n")
    say_table(
        ("PART", "STATE", "PROCESS", "SINCE"),
        [(part["name"], part["state"], str(part["pid"] or ""), when(part["since"])) for part in parts],
    )
    say("")
    if complaint:
        say(complaint)
        return
    _tell_service(service)


def _tell_service(service: dict[str, Any]) -> None:
    health = service["health"]
    controller = "alive" if health["controller"]["alive"] else "not heard of"
    states = {name: health[name] if health[name] == "ok" else "not ok" for name in ("database", "redis", "disk")}
    say(f"database {states['database']}, redis {states['redis']}, disk {states['disk']}, controller {controller}")
    for finding in health.get("findings", ()):
        say(f"{finding['severity']}: {finding['detail']}")
    for worker in service["workers"]:
        alive = "" if worker["alive"] else " (not heard of)"
        held = f", training {', '.join(worker['holding'])}" if worker["holding"] else ""
        devices = ", ".join(worker["devices"])
        say(f"worker {worker['id']} on {worker['host']}{alive}: {devices}; {len(worker['free_devices'])} free{held}")
        for warning in worker.get("warnings", ()):
            say(f"  warning: {warning}")
    if service["queue"]:
        say("\nqueue")
        say_runs(service["queue"])
    else:
        say("the queue is empty")
