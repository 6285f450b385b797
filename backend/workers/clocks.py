"""How far a worker's clock is off."""

from __future__ import annotations

from backend.db.tables import Worker

#: What is less is nothing that a person could see in a time.
SKEW_TOLD_SECONDS = 5.0


def clock_skew(worker: Worker) -> float | None:
    """By how many seconds its clock is ahead of the service's, where that is worth telling; None where it isn't.

    Whatever holds a message up makes a clock seem slow, so the greatest of the last measures is the nearest.
    """
    if not worker.clock_skews:
        return None
    ahead = max(worker.clock_skews)
    return float(round(ahead)) if abs(ahead) > SKEW_TOLD_SECONDS else None
