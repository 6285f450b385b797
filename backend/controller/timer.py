"""When something is to be done again."""

from __future__ import annotations

from collections.abc import Callable


class Every:
    """Due at once, and then again `seconds` after it was last found due."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._next = clock()

    def is_due(self) -> bool:
        if self._clock() < self._next:
            return False
        self._next = self._clock() + self._seconds
        return True

    def hurry(self) -> None:
        self._next = self._clock()
