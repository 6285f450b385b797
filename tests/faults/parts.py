"""API and controller as processes of their own beside a Redis that a test holds, and how long a fault takes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.service import QUICK_CONFIG, REPOSITORY, Service

#: For what only ends a hang.
PATIENCE = 120.0


class Backend(Service):
    """The service without a worker and without anybody who starts its parts anew."""

    def __init__(self, home: Path, redis_url: str, **environment: str) -> None:
        super().__init__(home)
        given = {"RESDROP_HOME": str(home), "RESDROP_PORT": str(self.port), "RESDROP_REDIS_URL": redis_url}
        self._given = os.environ | {"PYTHONPATH": str(REPOSITORY)} | given | environment
        self._parts: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        self.start_part("serve")
        self.wait_until(self.is_answering, seconds=PATIENCE, what="the API to answer")
        self.start_part("controller")
        self.wait_until(lambda: bool(self.health()["controller"]["alive"]), seconds=PATIENCE, what="the controller")

    def start_part(self, name: str) -> None:
        (self.home / "logs").mkdir(parents=True, exist_ok=True)
        with (self.home / "logs" / f"{name}.log").open("ab") as output:
            self._parts[name] = subprocess.Popen(
                [sys.executable, "-m", f"backend.{name}"],
                env=self._given,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def kill_part(self, name: str) -> None:
        self._parts[name].kill()
        self._parts.pop(name).wait()

    def stop(self) -> None:
        self.api.close()
        for part in self._parts.values():
            part.send_signal(signal.SIGKILL)
            part.wait()

    def output(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in (self.home / "logs").glob("*"))

    def health(self) -> dict[str, Any]:
        return dict(self.api.get("/health").json())

    def finding(self, code: str) -> dict[str, Any] | None:
        return next((found for found in self.health()["findings"] if found["code"] == code), None)

    def workers(self) -> list[dict[str, Any]]:
        return list(self.api.get("/workers").json()["items"])

    def launch_named(self, name: str, **settings: Any) -> str:
        """The stand-in for a trainer does what the name says."""
        answer = self.api.post("/runs", json={"name": name, "config": QUICK_CONFIG | settings})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def assert_all_steps_arrived(self, run_id: str) -> None:
        steps = list(self.series(run_id, "train/loss"))
        assert steps == list(range(1, len(steps) + 1))
