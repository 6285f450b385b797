"""One run of a comparison as a child process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from worker.common.signals import ENDING, WARNING
from worker.engine.compare.arms import Arm
from worker.engine.compare.standing import read_summary
from worker.engine.launcher import without_launcher
from worker.engine.results import FolderRefused
from worker.engine.signals import BY_SIGNAL

#: An earlier comparison that was killed leaves runs which still write their last checkpoint.
PATIENCE_SECONDS = 60.0
REFUSED = 2
HEEDED = (*ENDING, *WARNING)
WORDS = 400

Status = Literal["completed", "paused", "failed", "refused"]


@dataclass(frozen=True)
class End:
    """How a run ended, and why where it did not complete."""

    status: Status
    reason: str = ""


class RunningArm:
    """In a session of its own, so that Ctrl-C reaches it through this process alone."""

    def __init__(self, arm: Arm, environment: Mapping[str, str]) -> None:
        self.arm = arm
        self.environment = environment
        self._asked_to_pause = False
        _wait_until_free(arm)
        arm.output.parent.mkdir(parents=True, exist_ok=True)
        with arm.output.open("ab") as output:
            self._said_before = output.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "worker.engine.compare.child", str(os.getpid()), *arm.command()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**without_launcher(os.environ), **environment},
                start_new_session=True,
            )

    def pause(self) -> None:
        """It writes a checkpoint and ends."""
        self._asked_to_pause = True
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def ended(self) -> End | None:
        """None while it runs."""
        code = self._process.poll()
        return None if code is None else self._end(code)

    def _end(self, code: int) -> End:
        if code == 0:
            return End("completed")
        if self._asked_to_pause and (-code in HEEDED or code - BY_SIGNAL in HEEDED):
            return End("paused")
        if code == REFUSED:
            return End("refused", self._last_words())
        if code < 0:
            return End("failed", f"ended by {signal.Signals(-code).name}; the same command goes on with it")
        if code > BY_SIGNAL:
            return End("failed", "paused by somebody else; the same command goes on with it")
        reason = read_summary(self.arm.folder.summary).get("reason")
        return End("failed", str(reason or self._last_words() or f"exit code {code}"))

    def _last_words(self) -> str:
        with self.arm.output.open("rb") as output:
            output.seek(self._said_before)
            said = output.read().decode(errors="replace").strip().splitlines()
        return said[-1][-WORDS:] if said else ""


def _wait_until_free(arm: Arm) -> None:
    """Raises FolderRefused where another process still trains there after a minute."""
    until = time.monotonic() + PATIENCE_SECONDS
    while arm.folder.root.exists():
        try:
            with arm.folder.locked():
                return
        except FolderRefused:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
