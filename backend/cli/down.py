"""`resdrop down`: asks the parts of a home to end, in order, and tells how they do."""

from __future__ import annotations

import argparse
import os
import signal
import time

from backend.cli.claiming import longest_end, wait_until_free
from backend.cli.story import Story
from backend.cli.terminal import say, say_timed
from backend.process import programs, supervision
from backend.process.errors import CommandError
from backend.process.events import EventReader
from backend.process.home import Address, Home
from worker.common.processes import is_alive

_PAUSE_SECONDS = 0.05
#: Between the start of the supervisor and the publishing of its address.
_PUBLISH_SECONDS = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--home", metavar="DIR", help="which ResDrop (default: $RESDROP_HOME or ~/.resdrop)")


def run(arguments: argparse.Namespace) -> int:
    home = Home.chosen(arguments.home)
    left = supervision.leftovers(home)
    if home.is_ending() and home.address() is None:
        say_timed(f"an earlier `up` on {home.path} is already ending; waiting for it")
        wait_until_free(home, seconds=longest_end())
    elif home.is_held():
        _stop(home, _published(home))
    elif left:
        supervision.end_leftovers(home, programs.parts(with_redis=True), say_timed)
    else:
        say(f"Nothing is running on {home.path}.")
        return 0
    say_timed("everything is stopped; `resdrop up` goes on from here")
    return 0


def _published(home: Home) -> Address:
    """Raises CommandError where an `up` holds the home and says nothing of itself."""
    deadline = time.monotonic() + _PUBLISH_SECONDS
    while time.monotonic() < deadline:
        found = home.address()
        if found is not None:
            return found
        time.sleep(_PAUSE_SECONDS)
    raise CommandError(
        f"An `up` holds {home.path} but does not say which process supervises it; end it where it was started."
    )


def _stop(home: Home, address: Address) -> None:
    reader, story = EventReader(home.events, from_end=True), Story(say_timed)
    say_timed(f"stopping what answers at {address.url}, the worker first")
    if is_alive(address.pid, address.born):
        os.kill(address.pid, signal.SIGTERM)
    while is_alive(address.pid, address.born) or home.is_held():
        for event in reader.new():
            story.tell(event)
        time.sleep(_PAUSE_SECONDS)
    for event in reader.new():
        story.tell(event)
