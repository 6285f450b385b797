"""Which runs' keys have to be said again, so that holders know what is wanted and what has arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from backend.db.tables import Run
from backend.doorbell import Doorbell, Publication
from worker.contract.messages import RunKey

#: A run whose key says the same but for `ingested_through` is published at most so often.
PUBLISH_EVERY_SECONDS = 0.1
#: After Redis refused one.
TRY_AGAIN_SECONDS = 1.0
_FORGET_AFTER_SECONDS = 60.0


class KeyPublisher:
    """Collects runs after their commit; those whose revision is new are published by the next flush, others soon."""

    def __init__(self, doorbell: Doorbell, clock: Callable[[], float]) -> None:
        self._doorbell = doorbell
        self._clock = clock
        self._wanted: dict[str, Run] = {}
        self._published: dict[str, tuple[int, float]] = {}
        self._outdone_by: dict[str, RunKey] = {}
        self._refused_until = clock()

    def want(self, runs: Iterable[Run]) -> None:
        self._wanted.update((run.id, run) for run in runs)

    @property
    def is_waiting(self) -> bool:
        return bool(self._wanted) and self._clock() >= self._refused_until

    def take_outdone(self) -> list[RunKey]:
        """The keys that stand in Redis in the place of ours, each once."""
        keys, self._outdone_by = list(self._outdone_by.values()), {}
        return keys

    def flush(self, *, everything: bool = False) -> None:
        """Publishes what is due; what Redis does not take stays wanted."""
        now = self._clock()
        if now < self._refused_until:
            return
        for run in list(self._wanted.values()):
            if not everything and not self._is_due(run, now):
                continue
            if self._publish(run, now) is Publication.AWAY:
                break
        self._published = {
            run_id: last for run_id, last in self._published.items() if now - last[1] < _FORGET_AFTER_SECONDS
        }

    def _publish(self, run: Run, now: float) -> Publication:
        answer = self._doorbell.publish_key(run)
        if answer.publication in (Publication.TOLD, Publication.AWAY):
            self._refused_until = now + TRY_AGAIN_SECONDS
            return answer.publication
        # One that failed for a reason of its own is wanted again with the next round, and holds up no other.
        del self._wanted[run.id]
        self._published[run.id] = (run.revision, now)
        if answer.standing is not None:
            self._outdone_by[run.id] = answer.standing
        return answer.publication

    def _is_due(self, run: Run, now: float) -> bool:
        revision, at = self._published.get(run.id, (None, 0.0))
        return revision != run.revision or now - at >= PUBLISH_EVERY_SECONDS
