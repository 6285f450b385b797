from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.jobs.parts import Controller, RedisServer, WorkerProcess


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """In a folder with a short name: the path of a socket has some hundred bytes at most."""
    folder = Path(tempfile.mkdtemp(prefix="rd"))
    server = RedisServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def controller(redis_server: RedisServer) -> Iterator[Controller]:
    started = Controller(redis_server.url)
    yield started
    started.close()


@pytest.fixture
def start_worker(redis_server: RedisServer, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts a worker in the test's home; each of them, and what it started, is gone after the test."""
    started: list[WorkerProcess] = []

    def start(**settings: str) -> WorkerProcess:
        started.append(WorkerProcess(tmp_path / "home", redis_server.url, **settings))
        started[-1].start()
        return started[-1]

    yield start
    for worker in started:
        worker.end()
