"""A whole ResDrop, started by its own `up` in a home of its own, and looked at from outside as a user would."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

REPOSITORY = Path(__file__).resolve().parents[2]

#: Trains in seconds: ResNet-20 on the digits, 11 steps an epoch.
QUICK_CONFIG: dict[str, Any] = {
    "dataset": "digits",
    "depth": 20,
    "epochs": 3,
    "batch": 128,
    "lr": 0.1,
    "warmup_epochs": 1,
    "log_every": 1,
    "bn_reestimate": 2,
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Service:
    """`./resdrop up` and everything that it started. `api` speaks to it; processes are found by their command."""

    def __init__(self, home: Path, *, environment: dict[str, str] | None = None, output: Path | None = None) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api = httpx.Client(base_url=f"{self.url}/api/v1", timeout=20, trust_env=False)
        self._environment = environment or {}
        #: Before the command, to start it in surroundings of its own.
        self.prefix: list[str] = []
        self._up: subprocess.Popen[bytes] | None = None
        self._output = output or home.parent / f"{home.name}.up.log"

    def start(self) -> None:
        self.begin()
        self.wait_until(self.is_answering, seconds=60, what="the service to answer")

    def begin(self) -> int:
        """Starts it without waiting; returns the process id of `up`."""
        command = [*self.prefix, sys.executable, "-m", "backend.cli", "up", "--no-browser"]
        command += ["--home", str(self.home), "--port", str(self.port)]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)} | self._environment
        with self._output.open("ab") as output:
            self._up = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
            )
        return self._up.pid

    @property
    def pid(self) -> int:
        """Of `up`."""
        assert self._up is not None
        return self._up.pid

    def stop(self) -> None:
        """As Ctrl-C does; everything has to be gone afterwards."""
        self.api.close()
        if self._up is None:
            return
        descendants = self.processes()
        self._up.send_signal(signal.SIGINT)
        try:
            self._up.wait(90)
        finally:
            for process in descendants:
                if process.is_running():
                    process.kill()
            self._up = None

    def is_answering(self) -> bool:
        if self._up is not None and self._up.poll() is not None:
            raise AssertionError(f"up ended with {self._up.returncode}:\n{self.output()}")
        try:
            return self.api.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def output(self) -> str:
        """What `up` printed, and the end of every log, for a failing test's report."""
        logs = [path.read_text(errors="replace")[-3000:] for path in sorted((self.home / "logs").glob("*"))]
        return "\n".join([self._output.read_text(errors="replace")[-3000:], *logs])

    def processes(self, named: str = "") -> list[psutil.Process]:
        """Live descendants of `up` whose command line has `named` in it."""
        if self._up is None:
            return []
        try:
            found = psutil.Process(self._up.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [process for process in found if _is_alive(process) and named in _command(process)]

    def trainers(self) -> list[psutil.Process]:
        return self.processes("worker.jobs.trainer")

    def worker(self) -> psutil.Process:
        (found,) = [process for process in self.processes("worker.jobs") if "trainer" not in _command(process)]
        return found

    def launch(self, **settings: Any) -> str:
        """Launches a run and returns its id."""
        answer = self.api.post("/runs", json={"config": QUICK_CONFIG | settings})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        answer = self.api.get(f"/runs/{run_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def act(self, run_id: str, action: str) -> None:
        answer = self.api.post(f"/runs/{run_id}/{action}")
        assert answer.status_code == 202, answer.text

    def wait_for_status(self, run_id: str, status: str, *, seconds: float = 60) -> dict[str, Any]:
        def reached() -> bool:
            run = self.run(run_id)
            assert status == "failed" or run["status"] != "failed", run["reason"]
            return bool(run["status"] == status)

        self.wait_until(reached, seconds=seconds, what=f"run {run_id} to be {status}")
        return self.run(run_id)

    def wait_for_step(self, run_id: str, step: int, *, seconds: float = 60) -> None:
        self.wait_until(
            lambda: self.run(run_id)["progress"]["step"] >= step, seconds=seconds, what=f"step {step} of {run_id}"
        )

    def wait_until(self, is_true: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Raises AssertionError with the logs when `seconds` have passed."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if is_true():
                return
            time.sleep(0.05)
        raise AssertionError(f"waited {seconds:g} s for {what}\n{self.output()}")

    def series(self, run_id: str, name: str) -> dict[int, float | None]:
        """The values of one metric by step."""
        answer = self.api.get(f"/runs/{run_id}/metrics", params={"names": name, "x": "step"})
        assert answer.status_code == 200, answer.text
        (found,) = answer.json()["series"]
        return dict(zip(found["x"], found["values"], strict=True))

    def last_checkpoint(self, run_id: str) -> io.BytesIO:
        """The content of the checkpoint with the greatest step, as the page downloads it."""
        items = self.api.get(f"/runs/{run_id}/checkpoints").json()["items"]
        newest = max(items, key=lambda item: item["step"])
        answer = self.api.get(f"/runs/{run_id}/checkpoints/{newest['id']}/file")
        assert answer.status_code == 200, answer.text
        assert hashlib.sha256(answer.content).hexdigest() == newest["sha256"]
        return io.BytesIO(answer.content)


@contextmanager
def running_service(folder: Path) -> Iterator[Service]:
    """A service of its own in `folder`, and nothing left of it afterwards."""
    service = Service(folder / "home")
    try:
        service.start()
        yield service
    finally:
        service.stop()


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
