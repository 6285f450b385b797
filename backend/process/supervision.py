"""Starting the supervisor of a home's parts, ending it, and what is left when it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from backend.process import events
from backend.process.events import Event
from backend.process.home import Home, write_private
from backend.process.privacy import PRIVATE_UMASK
from backend.process.processes import parts_of
from backend.process.programs import PART_NAMES, Program, configuration
from worker.common.disk import room_at
from worker.common.processes import is_alive

ROOT = Path(__file__).resolve().parents[2]
#: One log file gets at most this part of a small disk.
_LOG_SHARE = 200


def start(
    home: Home, programs: Sequence[Program], *, environment: Mapping[str, str], lock: int
) -> subprocess.Popen[bytes]:
    """Starts supervisord as a child that dies with this process; it inherits the home's lock."""
    log_bytes = room_at(home.path).total_bytes // _LOG_SHARE
    write_private(home.path / "supervisord.conf", configuration(programs, Path("logs"), log_bytes=log_bytes))
    write_private(home.events, "")
    write_private(home.logs / "supervisor.out", "")
    output = (home.logs / "supervisor.out").open("wb")
    with output:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "backend.process.supervisord", "supervisord.conf", str(home.events)],
            cwd=home.path,
            env={**os.environ, **environment, **_surroundings()},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[lock],
            start_new_session=True,
            # Inherited by every part: supervisord's own setting works only for one that makes itself a daemon.
            umask=PRIVATE_UMASK,
        )


def _surroundings() -> dict[str, str]:
    """What every part needs to find Python and this code, wherever its current folder is."""
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = [str(ROOT), *(entry for entry in known if entry and entry != str(ROOT))]
    return {
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "RESDROP_UP_PYTHON": sys.executable,
        "RESDROP_UP_PID": str(os.getpid()),
    }


def leftovers(home: Home) -> list[Event]:
    """Parts that still run though nobody supervises them, in the order of their start.

    Those that the file of events does not tell of (its disk was full, or it was damaged) are found among the processes.
    """
    known = [event for event in events.processes(home.events).values() if is_alive(event.pid, event.born)]
    pids = {event.pid for event in known}
    found = known + [event for event in parts_of(home.path) if event.pid not in pids]
    return sorted(found, key=lambda event: PART_NAMES.index(event.program) if event.program in PART_NAMES else -1)


def end_leftovers(home: Home, programs: Sequence[Program], say: Callable[[str], None]) -> None:
    """Ends what a killed supervisor left, in the order of an orderly stop. Returns when all of it is gone."""
    seconds = {program.name: program.stop_seconds for program in programs}
    for event in reversed(leftovers(home)):
        say(f"ending the {event.program} that an earlier start left behind (process {event.pid})")
        _end(event, seconds.get(event.program, 10))


def _end(event: Event, seconds: float) -> None:
    _signal(event, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while is_alive(event.pid, event.born):
        if time.monotonic() > deadline:
            _signal(event, signal.SIGKILL)
        time.sleep(0.05)


def _signal(event: Event, which: signal.Signals) -> None:
    if is_alive(event.pid, event.born):
        os.kill(event.pid, which)
