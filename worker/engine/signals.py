"""Ctrl-C and SIGTERM as a wish to pause."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from worker.contract.status import Desired

HEEDED = (signal.SIGINT, signal.SIGTERM)


class SignalControl:
    """A Control. The first signal asks for a pause; a second one ends the process at once."""

    def __init__(self, *, heard: Callable[[], None]) -> None:
        self.received: int | None = None
        self._heard = heard

    def desired(self) -> Desired:
        return Desired.RUN if self.received is None else Desired.PAUSE

    @contextmanager
    def listening(self) -> Iterator[None]:
        """To be entered on the main thread."""
        before = {number: signal.signal(number, self._receive) for number in HEEDED}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self.received = number
        for heeded in HEEDED:
            signal.signal(heeded, signal.SIG_DFL)
        self._heard()
