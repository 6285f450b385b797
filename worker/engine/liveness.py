"""What a rank knows of the others' ends, so that none waits for one that is gone.

A rank that waits for another waits inside of a library: gloo notices a connection that closes, NCCL's kernels wait on
the device for as long as they are let. So threads watch, and end this process where its main thread does not notice.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

#: In which the main thread may notice by itself, as it does with gloo, and end in its own way.
GRACE_SECONDS = 5.0
#: In which a rank whose communication failed may hear which rank is gone.
NEWS_SECONDS = 5.0
#: For a checkpoint that is being written when a rank is lost: it is whole, and worth the wait.
SAVING_SECONDS = 300.0
TELLING_SECONDS = 5.0
LOST_A_RANK = 1


class Watch:
    """Thread-safe. `tell` is called from a thread, just before the process is ended, with the reason."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self._reason: str | None = None
        self._lock = threading.Lock()
        self._is_known = threading.Event()
        self._is_noticed = threading.Event()
        self._is_over = False
        self._saving = threading.Lock()

    def lose(self, reason: str) -> bool:
        """A rank is gone before its time. The first reason counts; False for any other, and once all is over."""
        with self._lock:
            if self._reason is not None or self._is_over:
                return False
            self._reason = reason
        self._is_known.set()
        threading.Thread(target=self._end, name="lost rank", daemon=True).start()
        return True

    def reason(self, *, seconds: float = 0.0) -> str | None:
        """Why a rank was lost, if one is within `seconds`. Whoever asks sees to this process's end."""
        self._is_known.wait(seconds)
        if self._reason is not None:
            self._is_noticed.set()
        return self._reason

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """What is done meanwhile is done to its end."""
        with self._saving:
            yield

    def close(self) -> None:
        """The ranks part; nobody is lost any more, and this process goes on."""
        with self._lock:
            self._is_over = True
        self._is_noticed.set()

    def _end(self) -> None:
        if self._saving.acquire(timeout=SAVING_SECONDS):
            self._saving.release()
        if self._is_noticed.wait(GRACE_SECONDS):
            return
        last_moment = threading.Timer(TELLING_SECONDS, os._exit, [LOST_A_RANK])
        last_moment.daemon = True
        last_moment.start()
        with suppress(Exception):
            self.tell(str(self._reason))
        os._exit(LOST_A_RANK)
