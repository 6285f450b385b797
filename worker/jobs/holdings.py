"""What this worker holds, so that a second ring for the same attempt starts nothing."""

from __future__ import annotations

import threading

from worker.contract.messages import Held
from worker.jobs.outbox import Outbox


class Holdings:
    """The attempts in hand, from the claim to the last word. Thread-safe."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._outboxes: dict[str, Outbox] = {}
        self._trained: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, held: Held) -> bool:
        """False when the run is in hand already, or this attempt or a later one of it was trained here."""
        with self._lock:
            if held.run_id in self._held or self._trained.get(held.run_id, 0) >= held.attempt:
                return False
            self._held[held.run_id] = held
            return True

    def note_trained(self, held: Held) -> None:
        """The claim was granted: whatever becomes of it, no ring begins this attempt a second time."""
        with self._lock:
            self._trained[held.run_id] = held.attempt
            self._held[held.run_id] = held.model_copy(update={"is_granted": True})

    def note_outbox(self, outbox: Outbox) -> None:
        """From it is known what was told of the attempt."""
        with self._lock:
            self._outboxes[outbox.header.run_id] = outbox

    def let_go(self, held: Held) -> None:
        with self._lock:
            del self._held[held.run_id]
            self._outboxes.pop(held.run_id, None)

    def current(self) -> list[Held]:
        with self._lock:
            return [_as_told(held, self._outboxes.get(held.run_id)) for held in self._held.values()]


def _as_told(held: Held, outbox: Outbox | None) -> Held:
    if outbox is None:
        return held
    revision = outbox.key.revision if outbox.key is not None else 0
    return held.model_copy(update={"revision": revision, "acknowledged_through": outbox.acknowledged_through})
