"""Faults are done to real processes: a Redis and a worker of the test's own, or a whole `up`."""

from __future__ import annotations

from tests.cli.conftest import up
from tests.jobs.conftest import controller, redis_server, start_worker

__all__ = ["controller", "redis_server", "start_worker", "up"]
