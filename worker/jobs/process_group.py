"""A training process as a session of its own, and the certain end of all that it started."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from worker.common.processes import machine_boot, stat_fields
from worker.jobs.wire import MESSAGES_FD

_PROC = Path("/proc")
_COMPLAINT_SECONDS = 10.0

log = logging.getLogger(__name__)


class ProcessGroup:
    """The trainer and its descendants.

    To be made by the thread that stays with it: Linux sends the parent-death signal when the thread ends that started
    the process, even though its process lives on.
    """

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str]) -> None:
        """Raises OSError when the command cannot be started."""
        self.messages, speaking_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**environment, MESSAGES_FD: str(speaking_end)},
                pass_fds=[speaking_end],
                start_new_session=True,
            )
        except BaseException:
            os.close(self.messages)
            raise
        finally:
            os.close(speaking_end)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders = self._process.stdin
        self._output = self._process.stdout

    @property
    def pid(self) -> int:
        """Of the trainer, and of its session and process group."""
        return self._process.pid

    @property
    def output(self) -> int:
        """The descriptor of its stdout and stderr."""
        return self._output.fileno()

    def tell(self, line: str) -> None:
        """Writes a line to its stdin; a trainer that is already gone is told nothing."""
        with contextlib.suppress(BrokenPipeError):
            self._orders.write(line.encode() + b"\n")
            self._orders.flush()

    def exit_status(self) -> int | None:
        """The trainer's, negative for a signal; None while it lives.

        It is looked at and not reaped, so that its id belongs to nobody else before `end` has killed by it.
        """
        if self._process.returncode is not None:
            return self._process.returncode
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def end(self) -> None:
        """Kills all that is left of the group, and returns when nothing of it runs any more."""
        complain_at = time.monotonic() + _COMPLAINT_SECONDS
        kill_session(self.pid)
        while self.exit_status() is None or session_members(self.pid):
            if time.monotonic() > complain_at:
                complain_at += _COMPLAINT_SECONDS
                log.warning("processes %s of the training survive SIGKILL; waiting", session_members(self.pid))
            time.sleep(0.01)
            kill_session(self.pid)
        self._process.wait()

    def close(self) -> None:
        """Frees the pipes."""
        os.close(self.messages)
        for stream in (self._orders, self._output):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def kill_session(leader: int) -> None:
    """SIGKILL for the leader's process group, and for whoever left the group but not the session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    for pid in session_members(leader):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def session_members(leader: int) -> list[int]:
    """Processes of the session that still run. Zombies are left out: in a container nobody may ever reap them."""
    found = []
    for path in _PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, session = stat_fields(path.parent.name)[:4]
            if int(session) == leader and state not in "ZX":
                found.append(int(path.parent.name))
    return found


def process_mark(pid: int) -> str:
    """Tells this very process from any other that ever gets its id: the boot of the machine, and its start in it."""
    try:
        return f"{_this_boot()}/{stat_fields(pid)[19]}"
    except OSError:
        return f"{_this_boot()}/"


def kill_remains(leader: int, *, mark: str) -> bool:
    """Kills what is left of a session that an earlier start of this worker began; False when nothing was.

    As long as any of it lives, the kernel gives its id to no other process.
    """
    if mark.partition("/")[0] != _this_boot() or process_mark(leader) not in (mark, f"{_this_boot()}/"):
        return False
    found = session_members(leader)
    kill_session(leader)
    return bool(found)


def _this_boot() -> str:
    return machine_boot() or "unknown"
