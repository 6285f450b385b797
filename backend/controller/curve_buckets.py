"""Makes the extremes of curves' stretches a little at a time, behind the points that come in."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sqlalchemy import select

from backend.db.session import Database
from backend.db.tables import Run
from backend.metrics import buckets
from backend.metrics.queries import metric_names

#: How long one turn may keep messages waiting; a transaction is a fraction of it.
WORK_SECONDS = 0.2


class CurveBuckets:
    """Remembers which runs have new points; at the start these are all, for an earlier version made no buckets."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._runs: dict[str, None] | None = None

    def want(self, run_ids: Iterable[str]) -> None:
        if self._runs is not None:
            self._runs.update(dict.fromkeys(run_ids))

    def work(self, *, seconds: float = WORK_SECONDS) -> bool:
        """Is there more to do?"""
        if self._runs is None:
            with self._database.read() as session:
                self._runs = dict.fromkeys(session.execute(select(Run.id).order_by(Run.change.desc())).scalars())
        until = time.monotonic() + seconds
        while self._runs and time.monotonic() < until:
            run_id = next(iter(self._runs))
            del self._runs[run_id]
            if self._build(run_id):
                self._runs[run_id] = None
        return bool(self._runs)

    def _build(self, run_id: str) -> bool:
        with self._database.read() as session:
            names = metric_names(session, run_id)
        if not names:
            return False
        with self._database.write() as session:
            return buckets.build(session, run_id, names)
