"""Signals as a wish to pause."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from worker.common.forks import forget, keep_from_forks
from worker.common.signals import ENDING, WARNING, Received, heeded
from worker.contract.status import Desired

BY_SIGNAL = 128

_obeys_parent_alone = False


def obey_parent_alone() -> None:
    """For a process whose parent hears the same signals, and kills where somebody insists."""
    global _obeys_parent_alone
    _obeys_parent_alone = True


def leave_signals_to_another() -> None:
    """A signal often reaches a whole group, of which one process decides what it means for all."""
    for number in (*ENDING, *WARNING):
        signal.signal(number, signal.SIG_IGN)


class SignalControl:
    """A Control. The first signal asks for a pause; SIGINT or SIGTERM a second time ends the process at once."""

    def __init__(self, *, heard: Callable[[], None]) -> None:
        self._heard = heard
        self._is_heard = False
        self._received = Received()

    @property
    def received(self) -> int | None:
        """The first signal."""
        return self._received.first

    def desired(self) -> Desired:
        return Desired.RUN if self.received is None else Desired.PAUSE

    @contextmanager
    def listening(self) -> Iterator[None]:
        """To be entered on the main thread."""
        before = {number: signal.signal(number, self._receive) for number in heeded()}
        try:
            with self._counting():
                yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        # The thread counts, which may come to it later.
        if self._received.first is None:
            self._received.first = number
        if not self._is_heard:
            self._is_heard = True
            self._heard()

    @contextmanager
    def _counting(self) -> Iterator[None]:
        """In a thread, which hears of a signal even while the main thread waits inside of a library."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        for end in (reader, writer):
            keep_from_forks(end)
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        thread = threading.Thread(target=self._count, args=(reader,), name="signals", daemon=True)
        thread.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            forget(writer)
            os.close(writer)
            thread.join()
            forget(reader)
            os.close(reader)

    def _count(self, reader: int) -> None:
        while numbers := os.read(reader, 64):
            for number in numbers:
                if number in (*ENDING, *WARNING):
                    self._received.note(number, now=time.monotonic())
                if self._received.insists and not _obeys_parent_alone:
                    os._exit(BY_SIGNAL + number)
