"""The trainer's end of the pipes to its supervisor, and its certain end when that is gone. Never imports torch."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from types import FrameType
from typing import IO

from worker.common.signals import heeded
from worker.contract.messages import Part
from worker.jobs.wire import MESSAGES_FD, Assignment, Order, Tick

_PR_SET_PDEATHSIG = 1
#: One that no scheduler sends; SIGUSR2, for one, is LSF's word that the run limit is reached.
_DEATH_SIGNAL = getattr(signal, "SIGRTMIN", signal.SIGUSR2)
_TICK_SECONDS = 1.0
_BY_HAND = "no assignment came: a worker starts the trainer; to train by hand, use python -m worker.engine train"


def die_with_parent() -> None:
    """Lets Linux tell this process of its parent's death, which ends its whole group; elsewhere only stdin's end tells.

    To be called before any other thread begins: the signal is blocked in all of them but the one that waits for it.
    SIGKILL would be surer to end this process, and leave what it has started.
    """
    if sys.platform == "linux":
        signal.pthread_sigmask(signal.SIG_BLOCK, {_DEATH_SIGNAL})
        threading.Thread(target=_await_death_signal, name="parent-death", daemon=True).start()
        _ask_for(_DEATH_SIGNAL)
        os.register_at_fork(after_in_child=_ask_to_be_killed)


def _await_death_signal() -> None:
    signal.sigwait({_DEATH_SIGNAL})
    end_group()


def _ask_to_be_killed() -> None:
    """For a forked loader, which has no threads of ours."""
    _ask_for(signal.SIGKILL)


def _ask_for(number: signal.Signals) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


class Lifeline:
    """What the supervisor wants, and the voice that it hears. Made once, by the trainer's main thread."""

    def __init__(self, *, environment: Mapping[str, str] = os.environ) -> None:
        """Waits for the assignment. Raises SystemExit when there is no supervisor to give one."""
        if MESSAGES_FD not in environment:
            raise SystemExit(_BY_HAND)
        self._voice = int(environment[MESSAGES_FD])
        self._lock = threading.Lock()
        self._ticked_at = 0.0
        #: The newest order; None is "go on".
        self.order: Order | None = None
        orders = _take_stdin()
        self.assignment = _assignment(orders)
        threading.Thread(target=self._obey, args=(orders,), name="orders", daemon=True).start()

    def heed_signals(self) -> None:
        """Schedulers signal every process of a job: a pause, which the supervisor hears of and lets go in order."""
        for number in heeded():
            signal.signal(number, self._pause)

    def _pause(self, _number: int, _frame: FrameType | None) -> None:
        self.order = self.order or Order.PAUSE

    def say(self, report: Part) -> None:
        """Any thread may speak. Without a supervisor to hear it, the whole group ends."""
        line = report.model_dump_json().encode() + b"\n"
        with self._lock:
            try:
                while line:
                    line = line[os.write(self._voice, line) :]
            except BrokenPipeError:
                end_group()

    def tick(self) -> None:
        """Something went on. Cheap enough for every batch."""
        now = time.monotonic()
        if now - self._ticked_at >= _TICK_SECONDS:
            self._ticked_at = now
            self.say(Tick())

    def _obey(self, orders: IO[str]) -> None:
        for line in orders:
            self.order = Order(line.strip())
        end_group()


def end_group() -> None:
    """Ends this process and all that it started; a supervisor that died can do it no more."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _take_stdin() -> IO[str]:
    """Moves stdin away from where a library might read it, or a forked loader close it under the waiting thread."""
    orders = os.fdopen(os.dup(0), encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return orders


def _assignment(orders: IO[str]) -> Assignment:
    line = orders.readline()
    if not line:
        raise SystemExit(_BY_HAND)
    assignment = Assignment.model_validate_json(line)
    if os.getppid() != assignment.supervisor_pid:
        raise SystemExit("the supervisor has died")
    return assignment
