"""Fixtures of the command line's tests."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.running import RunningUp


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., RunningUp]]:
    """Starts an `up`; whatever still runs at the end of the test is ended."""
    started: list[RunningUp] = []

    def start(*arguments: str, home: Path = tmp_path / "home", no_browser: bool = True, **more: str) -> RunningUp:
        started.append(RunningUp(home, *arguments, no_browser=no_browser, **more))
        return started[-1]

    yield start
    for one in reversed(started):
        one.clean_up()


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])
