"""Time spent training."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Seconds of training, going on from what earlier attempts have spent."""

    def __init__(self, *, already: float) -> None:
        self._start = time.monotonic() - already

    def elapsed_seconds(self) -> float:
        return time.monotonic() - self._start


class Throughput:
    """Images per second of training since the last report; evaluations and checkpoints are taken out."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._start = time.monotonic()
        self._images = 0

    def add(self, images: int) -> None:
        self._images += images

    def images_per_second(self) -> float:
        return self._images / max(1e-9, time.monotonic() - self._start)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        left = time.monotonic()
        try:
            yield
        finally:
            self._start += time.monotonic() - left
