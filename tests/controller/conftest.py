"""One real redis-server and one Postgres for all tests here; a database of its own for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text, update

from backend.db.migrate import upgrade
from backend.db.session import Database
from backend.db.tables import Base, ChangeCounter
from tests.controller.world import RedisServer, ScriptedWorker, World
from tests.support.postgres import new_database, running_postgres


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite file with its tables; copying it is faster than migrating."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A database with its tables; emptying it is faster than making another."""
    with running_postgres() as url:
        yield new_database(url)


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """On SQLite, unless a test is parametrised with "postgres"."""
    if getattr(request, "param", "sqlite") == "postgres":
        database = Database(request.getfixturevalue("postgres_url"))
        _empty(database)
    else:
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "resdrop.db")
        database = Database(f"sqlite:///{tmp_path / 'resdrop.db'}")
    yield database
    database.close()


def _empty(database: Database) -> None:
    tables = ", ".join(name for name in Base.metadata.tables if name != ChangeCounter.__tablename__)
    with database.write() as session:
        session.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
        session.execute(update(ChangeCounter).values(value=0))


@pytest.fixture
def world(database: Database, redis_server: RedisServer) -> Iterator[World]:
    world = World(database, redis_server.url)
    world.redis.flushall()
    yield world
    world.close()


@pytest.fixture
def worker(world: World) -> ScriptedWorker:
    return ScriptedWorker(world)
