"""A service with its database, and a hand that puts runs into any state, as controller and workers would."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from backend.app import create_app
from backend.db.changes import note_change
from backend.db.session import Database
from backend.db.tables import Checkpoint, ControllerPulse, LogLine, Run, Worker
from backend.metrics.ingest import rewind, store_points
from backend.runs.results import refresh
from backend.runs.transitions import change_status, set_desired
from backend.serve import Server, config_of
from backend.settings import Settings
from worker.contract.messages import Point
from worker.contract.status import Actor, Desired, RunStatus

with warnings.catch_warnings():
    # It would rather have a successor of httpx that nothing else here needs.
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

HOST = "http://127.0.0.1:8000"
#: Of every house that is not given one. `client` shows it, for no kernel knows whose connection that is.
TOKEN = "the token of the tests"
QUICK: dict[str, Any] = {"dataset": "digits", "depth": 20, "epochs": 3, "batch": 128, "warmup_epochs": 1}

#: For tests that read SQL in its own way, with the fixture `shared_house`; without it that is on SQLite.
on_both = pytest.mark.parametrize("shared_house", ["sqlite", "postgres"], indirect=True)

#: How each status is reached from `queued`.
_WAYS = {
    "queued": (),
    "starting": ((RunStatus.STARTING, Actor.CONTROLLER),),
    "running": ((RunStatus.STARTING, Actor.CONTROLLER), (RunStatus.RUNNING, Actor.HOLDER)),
    "paused": ((RunStatus.PAUSED, Actor.API),),
    "stopped": ((RunStatus.STOPPED, Actor.API),),
    "completed": ((RunStatus.STARTING, Actor.CONTROLLER), (RunStatus.COMPLETED, Actor.HOLDER)),
    "failed": ((RunStatus.STARTING, Actor.CONTROLLER), (RunStatus.FAILED, Actor.HOLDER)),
}


class House:
    def __init__(self, settings: Settings) -> None:
        self.settings = replace(settings, token=settings.token or TOKEN)
        self.app = create_app(self.settings)
        self.database: Database = self.app.state.parts.database
        headers = {"Authorization": f"Bearer {self.settings.token}"}
        self.client = TestClient(self.app, base_url=HOST, headers=headers)

    def stranger(self) -> httpx.Client:
        """Who shows nothing, to the same service."""
        return TestClient(self.app, base_url=HOST)

    @property
    def api(self) -> Api:
        return Api(self.client)

    @property
    def client_that_answers_errors(self) -> httpx.Client:
        """As a server does; the other one raises what is unexpected in the test."""
        return TestClient(self.app, base_url=HOST, headers=self.client.headers, raise_server_exceptions=False)

    @contextmanager
    def served(self) -> Iterator[str]:
        """A second service on the same database, behind a real socket, which streams need; gives its address."""
        app = create_app(self.settings)
        server = Server(config_of(app, self.settings), app.state.parts)
        server.config.port = 0
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        wait_until(lambda: server.started, what="uvicorn to start")
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "uvicorn does not stop"

    def move(self, run_id: str, status: str, *, desired: Desired | None = None, **values: Any) -> None:
        """From queued to `status`, then sets `desired` and any columns."""
        with self.database.write() as session:
            run = session.get(Run, run_id)
            assert run is not None
            for to, by in _WAYS[status]:
                assert change_status(session, run, to=to, by=by, claim_id="claim")
            if desired is not None:
                set_desired(session, run, desired)
            if values:
                session.execute(update(Run).where(Run.id == run_id).values(**values))

    def points(self, run_id: str, steps: range, *, attempt: int = 1, **metrics: Callable[[int], float]) -> None:
        """One transaction with a point at each of `steps`; train_loss=f is the metric train/loss."""
        points = [
            Point(
                step=step,
                epoch=step / 10,
                elapsed_seconds=step / 2,
                at=datetime.now(UTC),
                values={_metric(name): value(step) for name, value in metrics.items()},
            )
            for step in steps
        ]
        with self.database.write() as session:
            run = session.get(Run, run_id)
            assert run is not None
            store_points(session, run, attempt=attempt, points=points)
            refresh(session, run)

    def rewind(self, run_id: str, *, attempt: int, step: int) -> None:
        with self.database.write() as session:
            run = session.get(Run, run_id)
            assert run is not None
            assert rewind(session, run, attempt=attempt, step=step)
            note_change(session, "rewound", run_id, {"step": step})

    def log(self, run_id: str, *texts: str) -> None:
        with self.database.write() as session:
            lines = [LogLine(run_id=run_id, attempt=1, at=datetime.now(UTC), line=text) for text in texts]
            session.add_all(lines)
            session.flush()
            note_change(session, "log", run_id, {"first": lines[0].id, "last": lines[-1].id})

    def checkpoint(self, run_id: str, path: str, *, root_id: str = "root", content: bytes | None = b"weights") -> int:
        """A checkpoint in SQL, and its file unless `content` is None; returns its id."""
        if content is not None:
            file = self.settings.files / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        with self.database.write() as session:
            row = Checkpoint(
                run_id=run_id, attempt=1, root_id=root_id, path=path, step=5, epoch=0.5, elapsed_seconds=2.5,
                size_bytes=7, sha256="0" * 64, best=True, created_at=datetime.now(UTC),
            )  # fmt: skip
            session.add(row)
            session.flush()
            return row.id

    def worker(self, worker_id: str = "w1", **values: Any) -> None:
        """A worker that was heard just now."""
        told = {
            "boot_id": "boot", "host": "elsewhere", "root_id": "root", "devices": ["cpu"], "free_devices": ["cpu"],
            "holding": [], "versions": {}, "seen_at": datetime.now(UTC), "gone": False,
        }  # fmt: skip
        with self.database.write() as session:
            session.merge(Worker(id=worker_id, **(told | values)))

    def pulse(self) -> None:
        with self.database.write() as session:
            session.merge(ControllerPulse(id=1, seen_at=datetime.now(UTC), set_aside=0))

    def mount_root(self, root_id: str = "root") -> Path:
        self.settings.files.mkdir(parents=True, exist_ok=True)
        (self.settings.files / "root.json").write_text(f'{{"id": "{root_id}"}}')
        return self.settings.files


def _metric(name: str) -> str:
    return name if name == "images_per_second" else name.replace("_", "/", 1)


class Api:
    """The REST interface, for tests that take success for granted."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(f"/api/v1{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def launch(self, *, name: str | None = None, tags: list[str] | None = None, **settings: Any) -> str:
        body = {"name": name, "tags": tags or [], "config": QUICK | settings}
        answer = self.client.post("/api/v1/runs", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def post(self, path: str, body: Any = None, *, status: int = 202, headers: dict[str, str] | None = None) -> Any:
        answer = self.client.post(f"/api/v1{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def run(self, run_id: str) -> Any:
        return self.get(f"/runs/{run_id}")


def wait_until(is_true: Callable[[], bool], *, what: str, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.01)
