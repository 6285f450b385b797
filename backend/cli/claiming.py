"""Taking a home for one `up`: an earlier one that is still ending is waited for, one that runs is not disturbed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from backend.cli.story import Story
from backend.cli.terminal import say_timed
from backend.process import programs
from backend.process.errors import CommandError
from backend.process.events import EventReader
from backend.process.home import Home
from worker.common.duration import duration

#: Beyond what the parts may take one after the other.
_GRACE_SECONDS = 15.0
_PAUSE_SECONDS = 0.1


@contextmanager
def claimed(home: Home) -> Iterator[int]:
    """Yields the lock's descriptor (see `Home.held`). Raises CommandError where another `up` goes on using the home."""
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(home.held())
        except CommandError:
            if not home.is_ending():
                raise
            lock = stack.enter_context(_after_the_earlier(home))
        yield lock


@contextmanager
def _after_the_earlier(home: Home) -> Iterator[int]:
    longest, began = longest_end(), time.monotonic()
    say_timed(f"an earlier `up` on {home.path} is still ending; waiting for it, for at most {duration(longest)}")
    wait_until_free(home, seconds=longest)
    say_timed(f"the earlier `up` has ended after {duration(time.monotonic() - began)}")
    with home.held() as lock:
        yield lock


def longest_end() -> float:
    """What an orderly end may take, in seconds."""
    return sum(part.stop_seconds for part in programs.parts(with_redis=True)) + _GRACE_SECONDS


def wait_until_free(home: Home, *, seconds: float) -> None:
    """Tells what ends meanwhile. Raises CommandError when `seconds` have passed, or another has been faster."""
    reader, story = EventReader(home.events, from_end=True), Story(say_timed)
    deadline = time.monotonic() + seconds
    while home.is_held():
        for event in reader.new():
            story.tell(event)
        following = home.address()
        if following is not None and not following.has_ended():
            raise CommandError(home.taken())
        if time.monotonic() > deadline:
            raise CommandError(
                f"The earlier `up` on {home.path} has not ended in {duration(seconds)}; the logs in {home.logs} tell "
                "what it waits for. Try again later, or choose another --home."
            )
        time.sleep(_PAUSE_SECONDS)
