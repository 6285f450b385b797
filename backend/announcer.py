"""Tells Redis what has been committed, beside the requests: none of them waits for a Redis that is away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from contextlib import suppress

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend.db.session import Database
from backend.db.tables import Checkpoint, Run
from backend.doorbell import Doorbell, Publication, spec_of
from backend.runs.queue import head
from worker.contract.messages import RunSpec
from worker.contract.status import RunStatus

CLOSING_SECONDS = 2.0

log = logging.getLogger(__name__)


class Announcer:
    """One thread that publishes the keys of changed runs, rings the one that is next in the queue and wakes readers.

    What it does not get to say (Redis away, the process ended), the controller says within seconds.
    """

    def __init__(self, database: Database, redis_url: str) -> None:
        self._database = database
        self._redis_url = redis_url
        self._changed = threading.Condition()
        self._run_ids: dict[str, None] = {}
        self._gone: list[Run] = []
        self._is_due = self._is_closing = False
        self._thread = threading.Thread(target=self._work, name="announcer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def announce(self, run_ids: Iterable[str] = ()) -> None:
        """Says what the database now has of these runs, or only that something changed."""
        with self._changed:
            self._run_ids.update(dict.fromkeys(run_ids))
            self._is_due = True
            self._changed.notify()

    def announce_gone(self, run: Run) -> None:
        """Says the last word of a run that is deleted, so that nobody who heard its ring waits for an answer."""
        with self._changed:
            self._gone.append(run)
            self._is_due = True
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(CLOSING_SECONDS)

    def _work(self) -> None:
        doorbell = Doorbell(self._redis_url)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_due or self._is_closing)
                if not self._is_due:
                    break
                run_ids, gone = list(self._run_ids), self._gone
                self._run_ids, self._gone, self._is_due = {}, [], False
            self._say(doorbell, run_ids, gone)
        doorbell.close()

    def _say(self, doorbell: Doorbell, run_ids: list[str], gone: list[Run]) -> None:
        try:
            runs, spec = self._read(run_ids)
        except SQLAlchemyError as error:
            log.warning("the database is away, the controller will announce %s: %s", ", ".join(run_ids), error)
            return
        # Nothing more is tried once Redis has not answered: each try may take seconds.
        if any(doorbell.publish_key(run).publication is Publication.AWAY for run in [*runs, *gone]):
            return
        if spec is None or doorbell.ring(spec):
            doorbell.wake()

    def _read(self, run_ids: list[str]) -> tuple[list[Run], RunSpec | None]:
        with self._database.read() as session:
            runs = list(session.execute(select(Run).where(Run.id.in_(run_ids))).scalars())
            is_queued = any(run.status == RunStatus.QUEUED for run in runs)
            first = head(session) if is_queued else None
            # Whoever stands behind others is rung by the controller, which knows who may have which device.
            return runs, _spec(session, first) if first is not None and first.id in run_ids else None


def _spec(session: Session, run: Run) -> RunSpec | None:
    saved = select(Checkpoint).where(Checkpoint.run_id == run.id)
    newest = saved.order_by(Checkpoint.attempt.desc(), Checkpoint.step.desc())
    with suppress(ValueError):  # the controller tells of a run of which no ring can be made
        return spec_of(run, list(session.execute(newest).scalars()))
    return None
