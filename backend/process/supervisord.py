"""supervisord, so set up that no part outlives it and that everybody can read what happens.

Run as `python -m backend.process.supervisord FILE EVENTS` with the home as current folder. Each part is a session of
its own, so that the terminal's Ctrl-C reaches `up` alone; it is told to end when this process dies, as this one is
when `up` dies. SIGTERM ends the parts in the opposite order of their start, each with the time that its section grants.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from supervisor import loggers
from supervisor.dispatchers import POutputDispatcher
from supervisor.events import ProcessCommunicationStdoutEvent
from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ProcessConfig, ServerOptions
from supervisor.process import Subprocess
from supervisor.states import ProcessStates
from supervisor.supervisord import Supervisor

from backend.process import programs, redis_data
from backend.process.bounded_log import BoundedLog
from backend.process.events import Event, EventLog, Happening
from backend.process.identity import die_with_parent
from worker.common.processes import birth
from worker.common.signals import WARNING

LONGEST_PAUSE_SECONDS = 30.0

_HAPPENINGS = {
    ProcessStates.BACKOFF: Happening.DIED,
    ProcessStates.EXITED: Happening.DIED,
    ProcessStates.STOPPING: Happening.STOPPING,
    ProcessStates.STOPPED: Happening.STOPPED,
    ProcessStates.FATAL: Happening.STOPPED,
}


class Options(ServerOptions):  # type: ignore[misc]  # supervisor publishes no types
    """supervisord's options with sessions in place of process groups, and the memory of how processes ended."""

    def __init__(self, events_file: Path) -> None:
        super().__init__()
        self.events = EventLog(events_file)
        self.endings: dict[int, str] = {}
        self._own_pid = os.getpid()

    def processes_from_section(self, parser: Any, section: str, group_name: str, _klass: Any = None) -> Any:
        return super().processes_from_section(parser, section, group_name, PartConfig)

    def setpgrp(self) -> None:
        """Called in the child before it becomes the program."""
        os.setsid()
        _ignore_warnings()
        die_with_parent(self._own_pid)

    def setsignals(self) -> None:
        super().setsignals()
        _ignore_warnings()
        # A hangup would start everything anew; here it means the end, as the others do.
        signal.signal(signal.SIGHUP, lambda _, frame: self.signal_receiver.receive(signal.SIGTERM, frame))
        waker = SignalWaker()
        self.get_socket_map()[waker.fileno()] = waker

    def make_logger(self) -> None:
        self.logger = loggers.getLogger(self.loglevel)
        _log_to(self.logger, self.logfile, self.logfile_maxbytes, self.logfile_backups, with_time=True)
        for message in (*self.parse_criticals, *self.parse_warnings):
            self.logger.warn(message)

    def waitpid(self) -> tuple[int | None, int | None]:
        pid, status = super().waitpid()
        if pid:
            self.endings[pid] = _ending(status)
        return pid, status


def _ignore_warnings() -> None:
    """A scheduler warns every process of a job, `up` among them, which ends the parts in their order."""
    for number in WARNING:
        signal.signal(number, signal.SIG_IGN)


class SignalWaker:
    """Ends the loop's wait when a signal comes; by itself it would go on for up to a second (PEP 475)."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

    def fileno(self) -> int:
        return self._reader.fileno()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        self._reader.recv(4096)

    def handle_error(self) -> None:
        """Nothing to do: the loop's own timeout is still there."""


class PartConfig(ProcessConfig):  # type: ignore[misc]
    def make_process(self, group: Any = None) -> Part:
        part = Part(self)
        part.group = group
        return part

    def make_dispatchers(self, process: Any) -> tuple[dict[int, Any], dict[str, int]]:
        pipes = self.options.make_pipes(False)
        output = pipes["stdout"]
        return {output: PartOutput(process, ProcessCommunicationStdoutEvent, output)}, pipes


class PartOutput(POutputDispatcher):  # type: ignore[misc]
    """What a part prints, on its way into a log that may be left out."""

    def _init_normallog(self) -> None:
        config = self.process.config
        self.normallog = loggers.getLogger()
        self.log = _log_to(
            self.normallog, config.stdout_logfile, config.stdout_logfile_maxbytes, config.stdout_logfile_backups
        )


def _log_to(logger: Any, file: str, max_bytes: int, backups: int, *, with_time: bool = False) -> BoundedLog:
    handler = BoundedLog(Path(file), max_bytes=max_bytes, backups=backups)
    handler.setFormat("%(asctime)s %(levelname)s %(message)s\n" if with_time else "%(message)s")
    handler.setLevel(logger.level)
    logger.addHandler(handler)
    return handler


class Part(Subprocess):  # type: ignore[misc]
    """A supervised process that reports what happens to it, and whose pauses between starts have a limit."""

    def spawn(self) -> int | None:
        pid: int | None = super().spawn()
        if pid:
            self._report(Happening.STARTED, pid=pid, born=birth(pid))
        return pid

    def change_state(self, new_state: int, expected: bool = True) -> Any:
        changed = super().change_state(new_state, expected)
        if new_state not in _HAPPENINGS:
            return changed
        how = self._how()
        if new_state == ProcessStates.BACKOFF:
            pause = min(float(self.backoff), LONGEST_PAUSE_SECONDS)
            self.delay = time.time() + pause
            self._report(Happening.DIED, detail=how, again_in_seconds=pause, deaths=self.backoff)
        else:
            self._report(_HAPPENINGS[new_state], detail=how)
        if self.config.name == programs.REDIS.name and _HAPPENINGS[new_state] is Happening.DIED:
            self._make_redis_start(how)
        return changed

    def _make_redis_start(self, how: str) -> None:
        """A Redis that cannot read its own files would fail at every start; it may as well begin without them."""
        said = "".join(output.log.tail() for output in self.dispatchers.values())
        sentence = redis_data.set_aside_unreadable(Path(redis_data.FOLDER), said=said, how=how)
        if sentence is not None:
            self._report(Happening.NOTED, detail=sentence)

    def _how(self) -> str:
        known: str = self.config.options.endings.pop(self.pid, "") or self.spawnerr or ""
        return known

    def _report(self, what: Happening, *, pid: int | None = None, **more: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        event = Event(at=now, what=what, program=self.config.name, pid=pid or self.pid, **more)
        try:
            self.config.options.events.append(event)
        except OSError as error:  # a full disk must not end the supervision
            self.config.options.logger.critical(f"an event is written later: {error}")


def _ending(status: int | None) -> str:
    if status is None:
        return ""
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit status {os.WEXITSTATUS(status)}"


class PromptSupervisor(Supervisor):  # type: ignore[misc]
    """Starts its processes at once; the original waits for its first tick, a second."""

    def runforever(self) -> None:
        for group in sorted(self.process_groups.values()):
            group.transition()
        super().runforever()

    def tick(self, now: float | None = None) -> None:
        """Called about once a second."""
        super().tick(now)
        with contextlib.suppress(OSError):
            self.options.events.flush()


def main(arguments: list[str]) -> None:
    configuration, events_file = arguments
    die_with_parent(int(os.environ["RESDROP_UP_PID"]))
    # supervisor looks for a folder that takes temporary files, of which it makes none: on a full disk there is none.
    tempfile.tempdir = "."
    options = Options(Path(events_file))
    options.realize(["-c", configuration])
    options.first, options.test = True, False
    try:
        PromptSupervisor(options).main()
    except ExitNow:
        options.close_logger()


if __name__ == "__main__":
    main(sys.argv[1:])
