"""Which start of a worker has its identity, where more than one claims it.

A cloned machine has the same worker.json, and its worker would release what the other one trains. A start that comes
anew has the identity at once where nobody else can have it: the one before said goodbye, or ran in the same place,
which is locked for one at a time. Otherwise it waits until the one before has been silent for long enough, and as
long as that is heard, it is refused.
"""

from __future__ import annotations

from collections.abc import Callable

from backend.db.tables import Worker
from worker.contract.messages import WorkerSeen

#: Workers are heard every 3 s.
TAKEOVER_SECONDS = 8.0


class Identities:
    """Remembers in memory only; silence counts from when the controller began to listen."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._listening_from = clock()
        self._heard: dict[tuple[str, str], float] = {}

    def excuse(self) -> None:
        """Somebody was away until now: nobody's silence counts."""
        self._listening_from = self._clock()

    def hear(self, message: WorkerSeen) -> None:
        now = self._clock()
        self._heard = {who: at for who, at in self._heard.items() if now - at < TAKEOVER_SECONDS}
        self._heard[(message.worker_id, message.boot_id)] = now

    def admits(self, message: WorkerSeen, *, holder: Worker | None) -> bool:
        """May this start be the worker, where `holder` is what is known of the one before?"""
        if holder is None or holder.gone or holder.boot_id == message.boot_id:
            return True
        return is_same_place(message, holder) or self._is_silent(holder.id, holder.boot_id)

    def is_heard(self, worker_id: str, boot_id: str) -> bool:
        return not self._is_silent(worker_id, boot_id)

    def _is_silent(self, worker_id: str, boot_id: str) -> bool:
        heard = self._heard.get((worker_id, boot_id), self._listening_from)
        return self._clock() - max(heard, self._listening_from) >= TAKEOVER_SECONDS


def is_same_place(message: WorkerSeen, holder: Worker) -> bool:
    return bool(message.place) and message.place == holder.place
