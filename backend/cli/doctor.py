"""`resdrop doctor`: what is there, what is missing, and the remedy for it."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from backend.cli.checks import Check, Level, all_checks
from backend.cli.terminal import say, say_json
from backend.process.home import Home


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--home", metavar="DIR", help="which ResDrop (default: $RESDROP_HOME or ~/.resdrop)")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Exit code 1 when something fails; a warning is none."""
    found = []
    for check in all_checks(Home.chosen(arguments.home)):
        found.append(check)
        if not arguments.json:
            _tell(check)
    if arguments.json:
        say_json([asdict(check) for check in found])
    else:
        _sum_up(found)
    return 1 if any(check.level is Level.FAIL for check in found) else 0


def _tell(check: Check) -> None:
    say(f"{check.level.value:<5} {check.name:<9} {check.text}")
    if check.remedy:
        say(f"{'':<15} -> {check.remedy}")


def _sum_up(found: list[Check]) -> None:
    counts = {level: sum(check.level is level for check in found) for level in Level}
    say(f"\n{counts[Level.OK]} ok, {counts[Level.WARN]} to look at, {counts[Level.FAIL]} failed")
