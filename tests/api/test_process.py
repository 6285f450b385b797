"""The API as a process: what it imports, how it ends, what it says when it cannot start."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.api.house import wait_until
from tests.api.page import open_page

REPOSITORY = Path(__file__).resolve().parents[2]

LOADED = """
import sys
import backend.serve
for name in sys.argv[1:]:
    if name in sys.modules:
        print(name)
"""


def test_nothing_heavy_is_imported_for_the_first_page() -> None:
    heavy = [
        "torch",
        "torchvision",
        "numpy",
        "celery",
        "kombu",
        "alembic",
        "sklearn",
        "worker.jobs",
        "worker.engine",
    ]
    found = subprocess.run(
        [sys.executable, "-c", LOADED, *heavy], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert found.stdout == ""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def process(home: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = free_port()
    given = {"RESDROP_HOME": str(home), "RESDROP_PORT": str(port), "RESDROP_REDIS_URL": f"unix://{home}/no.sock?db=0"}
    started = subprocess.Popen(
        [sys.executable, "-m", "backend.serve"],
        cwd=REPOSITORY,
        env=os.environ | given | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield started, f"http://127.0.0.1:{port}"
    finally:
        started.kill()
        started.wait()
        assert started.stdout is not None
        started.stdout.close()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def test_it_starts_in_an_empty_home_keeps_quiet_and_ends_at_once_with_a_page_open(tmp_path: Path) -> None:
    with process(tmp_path / "home") as (started, url):
        wait_until(lambda: answers(url), what="the first page", seconds=30)
        run = httpx.post(f"{url}/api/v1/runs", json={"config": {"epochs": 6}}).json()
        assert [path for path in (tmp_path / "home").rglob("*") if path.stat().st_mode & 0o077] == []
        loaded = (Path("/proc") / str(started.pid) / "maps").read_text()
        assert "libtorch" not in loaded
        with open_page(url, since=0) as page:
            page.wait_for("run", lambda told: told["id"] == run["id"])
            began = time.monotonic()
            started.send_signal(signal.SIGTERM)
            started.wait(10)
            assert time.monotonic() - began < 3
        assert started.stdout is not None
        assert [line for line in started.stdout if "WARNING" not in line] == []


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"RESDROP_PORT": "many"}, "RESDROP_PORT 'many' is no port"),
        ({"RESDROP_HOST": "0.0.0.0"}, "set RESDROP_TOKEN"),
        ({"RESDROP_DATABASE_URL": "mysql://x"}, "RESDROP_DATABASE_URL 'mysql://x'"),
        ({"RESDROP_HOME": "/proc/nowhere"}, "/proc/nowhere"),
    ],
)
def test_what_keeps_it_from_starting_is_one_sentence(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    with process(tmp_path, **environment) as (started, _):
        output, _ = started.communicate(timeout=30)
    assert started.returncode == 2
    assert said in output
    assert "Traceback" not in output


def test_a_database_of_a_newer_version_is_one_sentence(tmp_path: Path, migrated_file: Path) -> None:
    shutil.copy(migrated_file, tmp_path / "resdrop.db")
    with sqlite3.connect(tmp_path / "resdrop.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with process(tmp_path) as (started, _):
        output, _ = started.communicate(timeout=30)
    assert started.returncode == 2
    assert "schema 9999" in output
    assert "Traceback" not in output
