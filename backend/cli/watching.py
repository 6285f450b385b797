"""Following the parts from `up`: what happens to them, whether the page answers, and the orderly end."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from backend.cli.story import Story
from backend.cli.terminal import complain, say_timed
from backend.process import supervision
from backend.process.events import EventReader
from backend.process.home import Address, Home
from backend.process.programs import Program
from worker.common.duration import duration
from worker.common.processes import birth
from worker.common.signals import heeded

ANSWER_SECONDS = 90.0
#: A part that dies so often before the page answers will not come up by being tried again.
HOPELESS_DEATHS = 3
_PAUSE_SECONDS = 0.05
_LOOK_SECONDS = 1.0


class Watch:
    """One `up`, from the start of its supervisor to its end. In the main thread only: it takes over the signals."""

    def __init__(self, home: Home, *, host: str, port: int, url: str) -> None:
        self.home = home
        self.url = url
        self._host, self._port = host, port
        self._began = time.monotonic()
        self._story = Story(say_timed)
        self._asked, self._heeded = 0, 0
        self._failed = False
        self._looked_at = 0.0
        for which in heeded():
            signal.signal(which, self._ask_to_stop)

    def _ask_to_stop(self, _signal: int, _frame: FrameType | None) -> None:
        # Only counted: a handler that prints may interrupt a print.
        self._asked += 1

    def begin(self, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._supervisor = start()
        self._reader = EventReader(self.home.events)
        self._address = Address(
            url=self.url,
            host=self._host,
            port=self._port,
            pid=self._supervisor.pid,
            born=birth(self._supervisor.pid),
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            up_pid=os.getpid(),
            up_born=birth(os.getpid()),
        )
        self._keep_published()

    def _keep_published(self) -> None:
        """Writes the address again where its file has gone or was changed; a full disk keeps it from nothing else."""
        self._looked_at = time.monotonic()
        with contextlib.suppress(OSError):
            if not self.home.tells(self._address):
                self.home.publish(self._address)

    def until_answering(self, token: str | None) -> bool:
        """True once the page answers; False when the end has begun before, asked for or not."""
        while self._is_going_on():
            hopeless = [name for name, deaths in self._story.deaths.items() if deaths >= HOPELESS_DEATHS]
            if hopeless:
                self._give_up(f"The {hopeless[0]} does not start.", self.home.logs / f"{hopeless[0]}.log")
            elif answers(self.url, token=token):
                say_timed(f"the page answers after {duration(time.monotonic() - self._began)}")
                return True
            elif time.monotonic() - self._began > ANSWER_SECONDS:
                self._give_up(f"The page has not answered for {ANSWER_SECONDS:g} s.", self.home.logs / "api.log")
            time.sleep(_PAUSE_SECONDS)
        return False

    def until_gone(self, programs: list[Program]) -> int:
        """Tells what happens until all parts have ended; the exit code."""
        while self._follow():
            time.sleep(_PAUSE_SECONDS)
        self._follow()
        if self._supervisor.returncode != 0:
            self._explain_death()
            supervision.end_leftovers(self.home, programs, say_timed)
            self.home.unpublish()
            return 1
        self.home.unpublish()
        say_timed("everything is stopped; `resdrop up` goes on from here")
        return 1 if self._failed else 0

    def _is_going_on(self) -> bool:
        return self._follow() and not self._asked and not self._failed and not self._story.waiting_for

    def _follow(self) -> bool:
        """Tells what is new and passes on a wish to stop. Does the supervisor still run?"""
        for event in self._reader.new():
            self._story.tell(event)
        if self._asked > self._heeded:
            self._heed()
        if time.monotonic() - self._looked_at > _LOOK_SECONDS:
            self._keep_published()
        return self._supervisor.poll() is None

    def _heed(self) -> None:
        if self._heeded == 0:
            say_timed("stopping everything, the worker first")
            self._end()
        else:
            names = " and ".join(self._story.waiting_for) or "the parts"
            say_timed(f"still waiting for {names}, so that nothing trained is lost")
        self._heeded = self._asked

    def _give_up(self, why: str, log: Path) -> None:
        self._failed = True
        complain(f"{why} The end of {log}:\n{tail(log)}")
        self._end()

    def _end(self) -> None:
        """Whoever finds the home in use from now on reads that it soon is not."""
        self._address = replace(self._address, is_ending=True)
        self._keep_published()
        self._supervisor.terminate()

    def _explain_death(self) -> None:
        code = self._supervisor.returncode
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        complain(f"The supervisor of the parts has ended ({how}), and they with it. {tail(self._output)}".rstrip())

    @property
    def _output(self) -> Path:
        return self.home.logs / "supervisor.out"


def answers(url: str, *, token: str | None) -> bool:
    """Does the page come, and come whole?"""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
    try:
        connection.request("GET", "/", headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return answer.status == 200


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, indented."""
    try:
        found = path.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return ""
    return "\n".join("    " + line for line in found)
