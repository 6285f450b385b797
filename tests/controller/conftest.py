"""One real redis-server for all tests here, emptied between them; a database of its own for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.db.migrate import upgrade
from backend.db.session import Database
from tests.controller.world import RedisServer, ScriptedWorker, World


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file; copying it is faster than migrating."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    database.close()
    return path


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "resdrop.db"
    shutil.copy(empty_database, path)
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


@pytest.fixture
def world(database: Database, redis_server: RedisServer) -> Iterator[World]:
    world = World(database, redis_server.url)
    world.redis.flushall()
    yield world
    world.close()


@pytest.fixture
def worker(world: World) -> ScriptedWorker:
    return ScriptedWorker(world)
