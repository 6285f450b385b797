"""Faults are done to real processes: a Redis, a worker and a service of the test's own, or a whole `up`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import up
from tests.faults.parts import Backend
from tests.jobs.conftest import controller, redis_server, start_worker
from tests.jobs.parts import RedisServer

__all__ = ["controller", "redis_server", "start_worker", "up"]


@pytest.fixture
def backend(tmp_path: Path, redis_server: RedisServer) -> Iterator[Backend]:
    started = Backend(tmp_path / "backend", redis_server.url)
    try:
        started.start()
        yield started
    finally:
        started.stop()
