"""Real parts for the tests of the service: SQLite files, a Postgres server, a Redis server."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import text, update

from backend.db.migrate import upgrade
from backend.db.session import Database
from backend.db.tables import Base, ChangeCounter
from backend.process.redis_server import find_program
from backend.settings import Settings
from tests.api.house import House
from tests.support import postgres
from tests.support.postgres import running_postgres


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def used_postgres(postgres_url: str) -> str:
    """A database for one test after the other: to empty it is faster than to make another."""
    return postgres.new_database(postgres_url)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with its tables; to copy it is faster than to migrate."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def new_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Makes a database of the kind asked for, with its tables, and gives its address."""

    def make(kind: str) -> str:
        if kind == "postgres":
            return postgres.new_database(request.getfixturevalue("postgres_url"))
        path = tmp_path_factory.mktemp("database") / "resdrop.db"
        shutil.copy(request.getfixturevalue("migrated_file"), path)
        return f"sqlite:///{path}"

    return make


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of its own without any table, once of each kind."""
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    if request.param == "postgres":
        url = postgres.new_database(request.getfixturevalue("postgres_url"), template="template1")
    database = Database(url)
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> str:
    """A database with its tables and nothing in them, once of each kind."""
    return new_database("sqlite") if request.param == "sqlite" else emptied(request.getfixturevalue("used_postgres"))


def emptied(url: str) -> str:
    database = Database(url)
    tables = ", ".join(name for name in Base.metadata.tables if name != ChangeCounter.__tablename__)
    with database.write() as session:
        session.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
        session.execute(update(ChangeCounter).values(value=0))
    database.close()
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture(scope="session")
def redis_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A real Redis server for the session, on a unix socket."""
    folder = tmp_path_factory.mktemp("redis")
    socket = folder / "redis.sock"
    command = [find_program(), "--port", "0", "--unixsocket", str(socket), "--dir", str(folder)]
    server = subprocess.Popen([*command, "--save", ""], stdout=subprocess.DEVNULL)
    for _ in range(500):
        if socket.exists():
            break
        time.sleep(0.01)
    yield socket
    server.terminate()
    server.wait()


@pytest.fixture
def redis_client(redis_socket: Path) -> Iterator[redis.Redis]:
    """Of an empty Redis."""
    client = redis.Redis(unix_socket_path=str(redis_socket), decode_responses=True)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def settings(tmp_path: Path, database_url: str, redis_client: redis.Redis, redis_socket: Path) -> Settings:  # noqa: ARG001
    home = tmp_path / "home"
    home.mkdir()
    return Settings(home=home, database_url=database_url, redis_url=f"unix://{redis_socket}?db=0", files=home / "files")


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    house = House(settings)
    with house.client:
        yield house


@pytest.fixture(scope="module")
def shared_house(
    request: pytest.FixtureRequest,
    new_database: Callable[[str], str],
    redis_socket: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[House]:
    """One for all tests of a file that do not mind what the others leave behind; see `on_both` in house.py."""
    home = tmp_path_factory.mktemp("home")
    redis_url, database_url = f"unix://{redis_socket}?db=0", new_database(getattr(request, "param", "sqlite"))
    house = House(Settings(home=home, database_url=database_url, redis_url=redis_url, files=home / "files"))
    with house.client:
        yield house


def _migrate(url: str) -> None:
    database = Database(url)
    upgrade(database)
    database.close()
