"""What the tests of the worker set up: a Redis, a worker's process, and the controller's side of the protocol."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import redis
from celery import Celery

from backend.process.redis_server import find_program
from worker.contract import names
from worker.contract.config import RunConfig
from worker.contract.messages import (
    MESSAGE,
    CheckpointRef,
    Claim,
    Message,
    RunKey,
    RunSpec,
    Sequenced,
    WorkerKey,
    WorkerSeen,
)
from worker.contract.rings import write_ring
from worker.contract.status import Desired
from worker.jobs.connection import celery_url, connect
from worker.jobs.outbox import FINAL

REPOSITORY = Path(__file__).resolve().parents[2]
STAND_IN = f"{sys.executable} {Path(__file__).with_name('stand_in.py')}"
REAL_TRAINER = f"{sys.executable} -P -m worker.jobs.trainer"


def wait_until(is_true: Callable[[], Any], *, seconds: float = 60, what: str, report: Callable[[], str] = str) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s for {what}\n{report()}")
        time.sleep(0.02)


class RedisServer:
    """A real server on a unix socket, with an append-only file as `up` starts it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.url = f"unix://:pass-phrase@{folder / 's'}?db=0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [find_program(), "--port", "0", "--unixsocket", str(self.folder / "s")]
        self.data.mkdir(exist_ok=True)
        command += ["--dir", str(self.data), "--appendonly", "yes", "--save", "", "--requirepass", "pass-phrase"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        with contextlib.closing(connect(self.url)) as probe:
            wait_until(lambda: _answers(probe), what="Redis to answer")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def wipe(self) -> None:
        """As a disk that was lost: what comes back knows nothing."""
        self.stop()
        for path in self.data.glob("appendonly*"):  # one file before Redis 7, a folder since
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _answers(connection: redis.Redis) -> bool:
    try:
        return bool(connection.ping())
    except redis.RedisError:
        return False


class Controller:
    """The controller's side of the protocol, in memory: grants claims, takes messages in order, answers in the key."""

    def __init__(self, url: str) -> None:
        self.redis = connect(url)
        self.celery = Celery(broker=celery_url(url))
        self.messages: list[Message] = []
        self.keys: dict[str, RunKey] = {}
        self.grants = True
        self.acknowledges = True
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join(10)
        self.redis.close()
        self.celery.close()

    def launch(self, run_id: str, *, name: str = "count", **given: Any) -> RunSpec:
        """Queues a run and rings for it."""
        given = {"attempt": 1, "config": RunConfig()} | given
        spec = RunSpec(run_id=run_id, name=name, **given)
        self.change(run_id, attempt=spec.attempt, desired=Desired.RUN, claim_id=None, ingested_through=0)
        self.redis.lpush(names.TRAIN_QUEUE, write_ring(spec))
        return spec

    def ring(self, spec: object) -> None:
        """As Celery's own sender does it."""
        self.celery.send_task(names.TRAIN_TASK, kwargs={"spec": spec}, queue=names.TRAIN_QUEUE, ignore_result=True)

    def change(self, run_id: str, **changes: Any) -> None:
        """Changes a run's key and publishes it."""
        with self._lock:
            old = self.keys.get(run_id) or RunKey(run_id=run_id, revision=0, desired=Desired.RUN, attempt=1)
            self.keys[run_id] = old.model_copy(update={**changes, "revision": old.revision + 1})
            self.redis.set(names.run_key(run_id), self.keys[run_id].model_dump_json())

    def publish_all(self) -> None:
        with self._lock:
            for run_id, key in self.keys.items():
                self.redis.set(names.run_key(run_id), key.model_dump_json())

    def admit(self, start: WorkerSeen) -> None:
        """Tells all starts of a worker that this one has its identity."""
        key = WorkerKey(worker_id=start.worker_id, boot_id=start.boot_id, host=start.host)
        self.redis.set(names.worker_key(start.worker_id), key.model_dump_json())

    def of(self, run_id: str, attempt: int = 1) -> list[Sequenced]:
        """What an attempt has said, each message once, in the order of its numbers."""
        said = [m for m in list(self.messages) if isinstance(m, Sequenced) and m.run_id == run_id]
        by_number = {message.seq: message for message in said if message.attempt == attempt}
        return [by_number[seq] for seq in sorted(by_number)]

    def kinds(self, run_id: str, attempt: int = 1) -> list[str]:
        return [message.kind for message in self.of(run_id, attempt)]

    def of_kind(self, kind: str) -> list[Message]:
        return [message for message in list(self.messages) if message.kind == kind]

    def last_word(self, run_id: str, attempt: int = 1) -> Any:
        """The attempt's final message, None as long as it has none."""
        finals = [message for message in self.of(run_id, attempt) if isinstance(message, FINAL)]
        assert len(finals) < 2, finals
        return finals[0] if finals else None

    def last_step(self, run_id: str, attempt: int = 1) -> int:
        points = [p for m in self.of(run_id, attempt) if m.kind == "metrics" for p in m.points]
        return points[-1].step if points else 0

    def newest_checkpoints(self, run_id: str, attempt: int = 1) -> list[CheckpointRef]:
        """As the API would ring them: those not removed, newest first."""
        said = self.of(run_id, attempt)
        gone = {message.path for message in said if message.kind == "checkpoint_removed"}
        kept = [message for message in said if message.kind == "checkpoint" and message.path not in gone]
        refs = [CheckpointRef(root_id=m.root_id, path=m.path, step=m.step, best=m.best) for m in kept]
        return refs[::-1]

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._round()
            except redis.RedisError:
                self._closing.wait(0.05)

    def _round(self) -> None:
        """Takes entries out of the stream only after they are `committed`, as the real one does."""
        for entry, fields in self.redis.xrange(names.MESSAGES_STREAM, count=500):
            message = MESSAGE.validate_json(fields[names.ENVELOPE])
            self.messages.append(message)
            self._answer(message)
            self.redis.xdel(names.MESSAGES_STREAM, entry)
        self._closing.wait(0.01)

    def _answer(self, message: Message) -> None:
        if isinstance(message, WorkerSeen) and not message.is_admitted:
            self.admit(message)
        key = self.keys.get(getattr(message, "run_id", ""))
        if key is None:
            return
        if isinstance(message, Claim) and self.grants and key.attempt == message.attempt and key.claim_id is None:
            self.change(message.run_id, claim_id=message.claim_id)
        if isinstance(message, Sequenced) and self.acknowledges and message.attempt == key.attempt:
            numbers = [said.seq for said in self.of(message.run_id, message.attempt)]
            through = next((n for n, seq in enumerate(numbers) if seq != n + 1), len(numbers))
            if through > key.ingested_through:
                self.change(message.run_id, ingested_through=through)


class WorkerProcess:
    """`python -m worker.jobs`, with the stand-in for a trainer unless told otherwise."""

    def __init__(self, home: Path, url: str, **settings: str) -> None:
        self.home = home
        self.command = [sys.executable, "-m", "worker.jobs"]
        self._settings = {
            "RESDROP_HOME": str(home),
            "RESDROP_REDIS_URL": url,
            "RESDROP_DEVICES": "cpu:0",
            "RESDROP_TRAINER_COMMAND": STAND_IN,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(REPOSITORY),
        } | settings
        self._log = home / "worker.log"
        self._seen: dict[int, psutil.Process] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.home.mkdir(exist_ok=True)
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env=os.environ | self._settings,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def trainers(self) -> list[psutil.Process]:
        """The training processes, with all that they started."""
        assert self.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.process.pid).children(recursive=True)
            self._seen.update({process.pid: process for process in found})
            return [process for process in found if is_alive(process)]
        return []

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.trainers()
        self.process.send_signal(number)

    def wait(self, seconds: float = 30) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def spools(self) -> list[Path]:
        return list((self.home / "worker" / "spool").glob("*"))

    def end(self) -> None:
        """Leaves nothing behind, whatever a test has done."""
        if self.process is None:
            return
        self.trainers()
        self.process.kill()
        self.process.wait(10)
        for process in self._seen.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def imported_modules(module: str, **environment: str) -> list[str]:
    """All modules that a fresh interpreter has after it imported `module`."""
    program = f"import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: list[str] = json.loads(answer.stdout)
    return found
