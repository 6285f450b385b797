"""A controller between a real Redis and a real database, and workers that speak the protocol by a script."""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis
from sqlalchemy import event, func, select

from backend.controller.controller import Controller
from backend.controller.exits import leave
from backend.db.changes import note_change
from backend.db.session import Database
from backend.db.tables import Attempt, Change, Metric, Run, RunEvent, Worker
from backend.doorbell import connect
from backend.process.redis_server import find_program
from backend.runs.transitions import change_status, set_desired
from worker.contract import names
from worker.contract.config import RunConfig
from worker.contract.messages import RunKey
from worker.contract.status import Actor, Desired, RunStatus


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class RedisServer:
    """A real redis-server on a unix socket, with its append-only file on as in an installation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder / 'redis.sock'}?db=0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [find_program(), "--port", "0", "--unixsocket", "redis.sock", "--appendonly", "yes", "--save", ""]
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL)
        with connect(self.url) as client:
            wait_until(lambda: _answers(client), what="redis-server to answer")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def _copy(origin: Path, to: Path) -> None:
    with closing(sqlite3.connect(origin)) as read, closing(sqlite3.connect(to)) as written:
        read.backup(written)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def wait_until(condition: Callable[[], Any], *, seconds: float = 60.0, what: str = "it") -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.02)
    return found


class World:
    """What stands around a controller: the database, Redis, and what the API would do to both."""

    def __init__(self, database: Database, redis_url: str) -> None:
        self.database = database
        self.redis_url = redis_url
        self.redis = connect(redis_url)
        self.clock = Clock()
        self.controller = Controller(database, redis_url=redis_url, clock=self.clock)

    def close(self) -> None:
        self.controller.close()
        self.redis.close()

    def step(self, turns: int = 1, *, seconds: float = 0.3) -> None:
        """Turns of the controller's loop, `seconds` apart."""
        for _ in range(turns):
            self.clock.now += seconds
            self.controller.step(block_seconds=0)

    def copy_database(self, to: Path) -> None:
        """A backup, as it would be taken beside a service that runs."""
        _copy(Path(str(self.database.engine.url.database)), to)

    def restore_database(self, copy: Path) -> None:
        """What was committed since the backup is lost; a controller starts with what is left."""
        self.database.close()
        _copy(copy, Path(str(self.database.engine.url.database)))
        self.restart_controller()

    def restart_controller(self) -> None:
        """Another controller takes over; nothing that the last one had in memory is left."""
        self.controller.close()
        self.controller = Controller(self.database, redis_url=self.redis_url, clock=self.clock)

    # What the API does, and what befalls a run.

    def add_run(self, run_id: str = "", *, after: str | None = None, **settings: Any) -> str:
        """A run as the API inserts it: queued, some time ago."""
        queued_at = datetime.now(UTC) - timedelta(minutes=1)
        run = Run(id=run_id or f"r_{uuid4().hex[:8]}", name="a run", status="queued", desired="run", after_id=after)
        run.config = RunConfig.model_validate(settings).model_dump(mode="json")
        run.created_at = run.queued_at = queued_at
        with self.database.write() as session:
            count = session.execute(select(func.count()).select_from(Run)).scalar_one()
            run.queued_at += timedelta(seconds=count)
            run.change = note_change(session, "run", run.id)
            session.add(run)
            session.flush()
            session.add(Attempt(run_id=run.id, attempt=1, created_at=queued_at))
        return run.id

    def want(self, run_id: str, desired: Desired) -> None:
        with self.database.write() as session:
            set_desired(session, session.get_one(Run, run_id), desired)

    def change(self, run_id: str, to: RunStatus) -> None:
        with self.database.write() as session:
            assert change_status(session, session.get_one(Run, run_id), to=to, by=Actor.API)

    def edit(self, run_id: str, **values: Any) -> None:
        with self.database.write() as session:
            run = session.get_one(Run, run_id)
            for name, value in values.items():
                setattr(run, name, value)

    def lose(self, run_id: str) -> None:
        """The run's worker is lost, and the run queued for another attempt."""
        with self.database.write() as session:
            leave(session, session.get_one(Run, run_id), by=Actor.CONTROLLER, reason="lost")

    def fail_fast(self) -> None:
        """A locked database is given up soon."""
        event.listen(
            self.database.engine, "checkout", lambda connection, *_: connection.execute("PRAGMA busy_timeout=50")
        )

    # What is there.

    def run(self, run_id: str) -> Run:
        with self.database.read() as session:
            return session.get_one(Run, run_id)

    def rows(self, table: type[Any], *conditions: Any) -> list[Any]:
        with self.database.read() as session:
            order = list(table.__table__.primary_key)
            return list(session.execute(select(table).where(*conditions).order_by(*order)).scalars())

    def curve(self, run_id: str, name: str = "train/loss") -> list[tuple[int, float | None]]:
        of_run = self.rows(Metric, Metric.run_id == run_id, Metric.name == name)
        return sorted((metric.step, metric.value) for metric in of_run)

    def history(self, run_id: str) -> list[tuple[str, str]]:
        events = self.rows(RunEvent, RunEvent.run_id == run_id)
        return [(event.kind, event.after or event.text) for event in events]

    def changes(self, kind: str) -> list[Change]:
        return self.rows(Change, Change.kind == kind)

    def worker(self, worker_id: str) -> Worker:
        (found,) = self.rows(Worker, Worker.id == worker_id)
        return found

    def key(self, run_id: str) -> RunKey | None:
        found = self.redis.get(names.run_key(run_id))
        return RunKey.model_validate_json(str(found)) if found is not None else None

    def rings(self) -> list[dict[str, Any]]:
        """The specs that were rung since the last look, the oldest first."""
        specs = []
        while (ring := self.redis.rpop(names.TRAIN_QUEUE)) is not None:
            _, keywords, _ = json.loads(base64.b64decode(json.loads(str(ring))["body"]))
            specs.append(keywords["spec"])
        return specs

    def rung(self) -> list[str]:
        return [spec["run_id"] for spec in self.rings()]

    def waiting_messages(self) -> int:
        return int(self.redis.xlen(names.MESSAGES_STREAM))

    def say_text(self, message: str | bytes) -> None:
        self.redis.xadd(names.MESSAGES_STREAM, {names.ENVELOPE: message})


class ScriptedWorker:
    """A worker that says what the test tells it to. It keeps all it said, as the spool does, to say it again."""

    def __init__(self, world: World, name: str = "w1", *, devices: tuple[str, ...] = ("cpu:0",)) -> None:
        self.world = world
        self.name = name
        self.boot = uuid4().hex
        self.place = f"place of {name}"
        self.root_id = "root-1"
        self.devices = list(devices)
        #: By how much its clock is ahead.
        self.ahead = timedelta()
        self.trainings: list[ScriptedTraining] = []

    def seen(self, *, free: tuple[str, ...] | None = None, **told: Any) -> None:
        taken = {device for training in self.trainings for device in training.devices}
        self._say(
            "worker_seen",
            host="host-1",
            root_id=self.root_id,
            devices=self.devices,
            free_devices=[name for name in self.devices if name not in taken] if free is None else list(free),
            holding=told.pop("holding", [training.holder for training in self.trainings]),
            versions={"torch": "2"},
            place=self.place,
            **told,
        )

    def tell_holding(self, *told: dict[str, Any]) -> None:
        """A sign of life that tells of what it has in hand (see `ScriptedTraining.as_told`)."""
        self.seen(holding=list(told))

    def gone(self) -> None:
        self._say("worker_gone")

    def refuse(self, why: str, **told: Any) -> None:
        """Something in the queue of rings."""
        self._say("ring_refused", why=why, **told)

    def _say(self, kind: str, **body: Any) -> None:
        envelope = {"kind": kind, "worker_id": self.name, "boot_id": self.boot, "at": self.now_text()}
        self.world.say_text(json.dumps(envelope | body))

    def now_text(self) -> str:
        return (datetime.now(UTC) + self.ahead).isoformat()

    def reboot(self) -> None:
        """What it held is gone."""
        self.boot = uuid4().hex
        self.trainings = []

    def claim(self, run_id: str, *, attempt: int | None = None, device: str | None = None) -> ScriptedTraining:
        """Claims the present attempt of the run, as after a ring."""
        number = attempt if attempt is not None else self.world.run(run_id).attempt
        training = ScriptedTraining(self, run_id, number, (device or self.devices[0],))
        training.claim()
        return training

    def train(self, run_id: str, *, step: int = 0) -> ScriptedTraining:
        """A training that was granted and has started after `step`."""
        training = self.claim(run_id)
        self.trainings.append(training)
        training.say("started", **started(step))
        self.world.step()
        assert self.world.run(run_id).status == RunStatus.RUNNING
        return training


class ScriptedTraining:
    """One attempt's speaker."""

    def __init__(self, worker: ScriptedWorker, run_id: str, attempt: int, devices: tuple[str, ...]) -> None:
        self.worker = worker
        self.run_id = run_id
        self.attempt = attempt
        self.claim_id = uuid4().hex
        self.devices = devices
        self.spool: list[str] = []

    @property
    def holder(self) -> dict[str, Any]:
        return {"run_id": self.run_id, "attempt": self.attempt, "claim_id": self.claim_id}

    def as_told(self) -> dict[str, Any]:
        """What its worker tells of it in a sign of life: all that it has read in the run's key."""
        key = self.worker.world.key(self.run_id)
        assert key is not None
        told = {"is_granted": True, "revision": key.revision, "acknowledged_through": key.ingested_through}
        return self.holder | told

    def claim(self) -> None:
        who = {"kind": "claim", "worker_id": self.worker.name, "boot_id": self.worker.boot}
        told = {"devices": list(self.devices), "at": self.worker.now_text()}
        self.worker.world.say_text(json.dumps(self.holder | who | told))

    def write(self, kind: str, **body: Any) -> None:
        """Into the spool only."""
        numbered = {"kind": kind, "seq": len(self.spool) + 1, "at": self.worker.now_text()}
        self.spool.append(json.dumps(self.holder | numbered | body))

    def say(self, kind: str, **body: Any) -> None:
        self.write(kind, **body)
        self.send(len(self.spool))

    def send(self, *numbers: int) -> None:
        """Sends messages by their number, first time or again."""
        for number in numbers:
            self.worker.world.say_text(self.spool[number - 1])

    def points(self, *steps: int, name: str = "train/loss") -> None:
        told = [point(step, **{name: float(step)}) for step in steps]
        self.say("metrics", points=[point | {"at": self.worker.now_text()} for point in told])

    def checkpoint(self, step: int, *, best: bool = False) -> None:
        self.say("checkpoint", **checkpoint(self.run_id, self.attempt, step, best=best))


def now_text() -> str:
    return datetime.now(UTC).isoformat()


def point(step: int, **values: float | None) -> dict[str, Any]:
    return {"step": step, "epoch": step / 10, "elapsed_seconds": step / 2, "at": now_text(), "values": values}


def started(step: int = 0) -> dict[str, Any]:
    facts = {"epochs": 5, "steps_per_epoch": 10, "blocks": 9, "parameters": 272_474}
    return facts | {"step": step, "device": "cpu", "threads": 2, "versions": {"torch": "2"}}


def checkpoint(run_id: str, attempt: int, step: int, *, best: bool = False) -> dict[str, Any]:
    path = f"runs/{run_id}/attempt-{attempt}/step-{step}.pt"
    sizes = {"size_bytes": 123, "sha256": "0" * 64, "elapsed_seconds": step / 2}
    return sizes | {"root_id": "root-1", "path": path, "step": step, "epoch": step / 10, "best": best}
