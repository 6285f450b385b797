"""The controller as a process: killed, doubled, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.db.session import Database
from backend.db.tables import LogLine
from tests.controller.world import RedisServer, ScriptedWorker, World, started, wait_until
from worker.contract.names import ENVELOPE, MESSAGES_STREAM

pytestmark = pytest.mark.fault

REPOSITORY = Path(__file__).resolve().parents[2]


class Process:
    def __init__(self, world: World, log: Path) -> None:
        self.log = log
        database_url = world.database.engine.url.render_as_string(hide_password=False)
        settings = {"RESDROP_REDIS_URL": world.redis_url, "RESDROP_DATABASE_URL": database_url}
        with log.open("wb") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "backend.controller"],
                cwd=REPOSITORY,
                env=os.environ | settings,
                stderr=output,
            )

    def has_said(self, text: str) -> bool:
        assert self.popen.poll() is None, self.log.read_text()
        return text in self.log.read_text()

    def kill(self, number: int = signal.SIGKILL) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(60)


class Processes:
    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._folder = folder
        self.started: list[Process] = []

    def start(self, *, until: str = "controlling") -> Process:
        process = Process(self._world, self._folder / f"controller-{len(self.started)}.log")
        self.started.append(process)
        wait_until(lambda: process.has_said(until), what=until)
        return process


@pytest.fixture
def processes(world: World, tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(world, tmp_path)
    yield processes
    for process in processes.started:
        if process.popen.poll() is None:
            process.kill()


@pytest.fixture
def training_world(world: World, worker: ScriptedWorker) -> tuple[World, str]:
    """Granted beforehand: on a busy machine a process may take longer to start than a claim is good for."""
    run_id = world.add_run()
    worker.trainings.append(worker.claim(run_id))
    world.step()
    assert world.run(run_id).status == "starting"
    worker.trainings[0].say("started", **started())
    return world, run_id


@pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)
def test_the_second_waits_and_takes_over_when_the_first_is_killed(
    processes: Processes, training_world: tuple[World, str], worker: ScriptedWorker
) -> None:
    world, run_id = training_world
    first = processes.start()
    second = processes.start(until="another controller")
    time.sleep(1.2)
    assert second.log.read_text().count("another controller") == 1
    worker.trainings[0].points(1)
    wait_until(lambda: world.curve(run_id), what="points")
    first.kill()
    worker.trainings[0].points(2)
    wait_until(lambda: len(world.curve(run_id)) == 2, what="points through the second")
    assert second.has_said("controlling")


def test_kills_lose_nothing_and_double_nothing(
    processes: Processes, training_world: tuple[World, str], worker: ScriptedWorker
) -> None:
    world, run_id = training_world
    (training,) = worker.trainings
    for step in range(1, 1001):
        training.write("log", lines=[f"step {step}"])
    pipeline = world.redis.pipeline()
    for message in training.spool[1:]:
        pipeline.xadd(MESSAGES_STREAM, {ENVELOPE: message})
    pipeline.execute()
    for count in (2, 300):
        process = processes.start()
        wait_until(lambda count=count: world.run(run_id).ingested_through >= count, what="some messages")
        process.kill()
    assert world.waiting_messages() > 0, "the kills came too late to show anything"
    processes.start()
    wait_until(lambda: world.waiting_messages() == 0, what="the stream to be drained")
    assert [item.line for item in world.rows(LogLine)] == [f"step {step}" for step in range(1, 1001)]


def test_the_term_signal_ends_it_once_the_stream_is_drained(
    processes: Processes, training_world: tuple[World, str], worker: ScriptedWorker
) -> None:
    world, run_id = training_world
    process = processes.start()
    os.kill(process.popen.pid, signal.SIGSTOP)
    worker.trainings[0].points(*range(1, 50))
    worker.trainings[0].say("completed", step=50, elapsed_seconds=1.0)
    process.popen.send_signal(signal.SIGTERM)
    os.kill(process.popen.pid, signal.SIGCONT)
    assert process.popen.wait(60) == 0
    assert world.run(run_id).status == "completed"
    key = world.key(run_id)
    assert key is not None
    assert key.ingested_through == 3


def test_it_ends_at_once_while_it_waits(processes: Processes) -> None:
    processes.start()
    second = processes.start(until="another controller")
    assert second.kill(signal.SIGTERM) == 0


def test_it_ends_though_redis_is_away(
    database: Database, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    world = World(database, server.url)
    process = Processes(world, tmp_path).start()
    server.kill()
    wait_until(lambda: process.has_said("is away"), what="the outage to be noticed")
    assert process.kill(signal.SIGTERM) == 0
    world.close()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("RESDROP_DATABASE_URL", "mysql://nowhere", "RESDROP_DATABASE_URL 'mysql://nowhere'"),
        ("RESDROP_REDIS_URL", "nowhere", "Redis URL must specify"),
    ],
)
def test_a_setting_that_is_wrong_is_told(name: str, value: str, told: str) -> None:
    command = [sys.executable, "-m", "backend.controller"]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=os.environ | {name: value}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_what_it_makes_in_an_empty_home_is_its_accounts_alone(world: World, tmp_path: Path) -> None:
    """Started by hand before the service, under the usual umask: it makes the database."""
    home = tmp_path / "home"
    given = {"RESDROP_HOME": str(home), "RESDROP_REDIS_URL": world.redis_url}
    surroundings = {name: value for name, value in os.environ.items() if name != "RESDROP_DATABASE_URL"}
    command = [sys.executable, "-m", "backend.controller"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=surroundings | given, stderr=subprocess.PIPE, text=True, umask=0o022
    ) as process:
        assert process.stderr is not None
        said = next((line for line in process.stderr if "controlling" in line), "")
        process.kill()
    assert said
    assert (home / "resdrop.db").stat().st_size
    assert [str(path) for path in (home, *home.rglob("*")) if path.stat().st_mode & 0o077] == []


def test_it_imports_neither_torch_nor_the_web_framework() -> None:
    unwanted = "{'torch', 'fastapi', 'alembic'}"
    code = f"import sys, backend.controller.__main__; print(sorted({unwanted} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"
