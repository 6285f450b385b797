"""The controller's loop: take in what workers said, answer with keys, ring what is queued, judge who is silent."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

import redis
from sqlalchemy import select

from backend.compare import watched
from backend.controller.curve_buckets import CurveBuckets
from backend.controller.disk_guard import DiskGuard
from backend.controller.housekeeping import prune, write_pulse
from backend.controller.identities import Identities
from backend.controller.ingest import DATABASE_AWAY, Outcome, ingest, parse
from backend.controller.judge import Judge
from backend.controller.keys import KeyPublisher
from backend.controller.lost_commits import Told, catch_up, knows
from backend.controller.ringing import Ringing
from backend.controller.set_aside import set_aside
from backend.controller.stream import Entry, MessageStream
from backend.controller.timer import Every
from backend.controller.verdicts import judge_all
from backend.db.session import Database
from backend.db.tables import Run
from backend.disk import ServiceDisk
from backend.doorbell import Doorbell, connect, refusal_of
from backend.runs import results
from backend.runs.queue import IN_ORDER
from worker.common.disk import Reserve
from worker.contract.messages import RunKey
from worker.contract.status import RunStatus

ROUND_SECONDS = 5.0
PROBE_SECONDS = 2.0
PROBE_LOST_SECONDS = 6.0
PRUNE_SECONDS = 60.0
BUCKETS_SECONDS = 1.0
#: The longest that anything waits which comes without a message: a run that the API queued, a pause that is over.
LOOK_SECONDS = 0.25
#: Held-back keys are not held back longer than they have to be.
LOOK_AGAIN_SECONDS = 0.05
DRAIN_SECONDS = 10.0
BACKOFF_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)
#: So many of the runs that changed last have their keys published every round, beside all live ones.
RECENT_RUNS = 50
AWAY = (redis.RedisError, *DATABASE_AWAY)

log = logging.getLogger(__name__)


class Controller:
    """Lives in one thread. `step` is one turn of its loop; an error of Redis or of the database leaves it, and the
    next turn goes on where it stopped."""

    def __init__(
        self,
        database: Database,
        *,
        redis_url: str,
        disk: ServiceDisk | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._guard = DiskGuard(database, disk or ServiceDisk((), Reserve()), clock)
        self._database = database
        self._clock = clock
        self._redis = connect(redis_url)
        self._doorbell = Doorbell(redis_url)
        self._stream = MessageStream(self._redis)
        self._keys = KeyPublisher(self._doorbell, clock)
        self._ringing = Ringing(database, self._doorbell, clock)
        self._judge = Judge(clock)
        self._curve_buckets = CurveBuckets(database)
        self._buckets_timer = Every(BUCKETS_SECONDS, clock)
        self._identities = Identities(clock)
        self._set_aside = 0
        self._redis_refuses: str | None = None
        self._round_timer, self._prune_timer = Every(ROUND_SECONDS, clock), Every(PRUNE_SECONDS, clock)
        self._probe_timer, self._look_timer = Every(PROBE_SECONDS, clock), Every(LOOK_SECONDS, clock)

    def run(self, stopping: threading.Event, *, is_alone: Callable[[], bool]) -> None:
        """Turns until `stopping` is set and the stream is drained, or until it turns out not to be the only one."""
        check, failures = Every(ROUND_SECONDS, self._clock), 0
        while not stopping.is_set():
            try:
                if (check.is_due() or failures) and not is_alone():
                    log.warning("the lock is lost; another controller may have it")
                    return
                self.step()
            except Exception as error:  # noqa: BLE001 - the edge of the process: whatever a turn met, try the next
                self._note_failure(error, failures)
                stopping.wait(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
                failures += 1
                continue
            if failures:
                self._recover()
            failures = 0
        self._drain()

    def close(self) -> None:
        self._doorbell.close()
        self._redis.close()

    def step(self, *, block_seconds: float = LOOK_SECONDS) -> None:
        if self._guard.look():
            self._tell_of_eviction()
        if self._round_timer.is_due():
            self._round()
        self._probe()
        patience = LOOK_AGAIN_SECONDS if self._keys.is_waiting else LOOK_SECONDS
        reading = self._stream.read(block_seconds=min(block_seconds, patience))
        if reading.displaced:
            self._note_displaced(reading.displaced)
        self._take_in(reading.entries)
        if reading.own_probe is not None:
            self._beat(probe_sent_at=reading.own_probe)
        self._keys.flush()
        self._catch_up()
        if self._look_timer.is_due() and self._guard.hold is None:
            self._ringing.look()
        if self._buckets_timer.is_due():
            self._curve_buckets.work()

    def _tell_of_eviction(self) -> None:
        """In the keys of all live runs, which the next round publishes; it is said again like everything in them."""
        self._doorbell.eviction = self._guard.eviction
        self._round_timer.hurry()
        self._urge()

    def _round(self) -> None:
        """What is done every few seconds whatever happens: the pulse, and keys that Redis may have lost."""
        with self._database.write() as session:
            write_pulse(session, set_aside=self._set_aside, redis_refuses=self._redis_refuses)
            results.catch_up(session)
            watched.go_on(session)
            if self._prune_timer.is_due():
                prune(session)
        self._set_aside = 0
        with self._database.read() as session:
            live = select(Run).where(Run.status.in_([status for status in RunStatus if status.is_live]))
            next_ones = select(Run).where(Run.status == RunStatus.QUEUED).order_by(*IN_ORDER)
            self._keys.want(session.execute(select(Run).order_by(Run.change.desc()).limit(RECENT_RUNS)).scalars())
            self._keys.want(session.execute(next_ones.limit(RECENT_RUNS)).scalars())
            self._keys.want(session.execute(live).scalars())

    def _probe(self) -> None:
        sent_at = self._stream.probe_sent_at
        if sent_at is not None and self._clock() - sent_at < PROBE_LOST_SECONDS:
            return
        if not self._probe_timer.is_due():
            return
        try:
            displaced = self._stream.send_probe(at=self._clock())
            self._note_refusal(None)
        except redis.RedisError as error:
            # A Redis that is full takes nothing new, and has to be read all the more.
            self._excuse()
            self._note_refusal(str(error) if refusal_of(error) else None)
            return
        if displaced:
            self._note_displaced(displaced)

    def _take_in(self, entries: Sequence[Entry]) -> None:
        parsed = [parse(entry) for entry in entries]
        while parsed:
            outcome = ingest(self._database, parsed, self._identities)
            self._judge.hear(outcome.heard)
            self._judge.end(outcome.ended)
            self._keys.want(outcome.runs.values())
            self._curve_buckets.want(outcome.runs)
            self._answer_strangers(outcome)
            self._set_aside += outcome.set_aside
            if outcome.rings:
                self._urge()
            # Only now: what is lost before this line is read again.
            self._stream.delete(outcome.entries)
            self._keys.flush()
            self._doorbell.wake()
            parsed = parsed[len(outcome.entries) :]

    def _answer_strangers(self, outcome: Outcome) -> None:
        """Whoever trains what SQL doesn't have ends; whoever asks whether a worker's identity is its own is told."""
        for run_id, attempt in outcome.unknown.items():
            self._doorbell.publish_last_word(run_id, attempt=attempt)
        for key in outcome.workers.values():
            self._doorbell.publish_worker(key)

    def _catch_up(self) -> None:
        """Where a key in Redis outdid SQL's, either SQL has moved on since it was read, or it has lost something."""
        outdone = self._keys.take_outdone()
        for key in outdone:
            try:
                self._catch_up_with(key)
            except AWAY:
                raise
            except Exception:  # whatever is the matter with one run, the others go on
                log.exception("run %s: what stands in Redis of it could not be taken in", key.run_id)
        if outdone:
            self._keys.flush()

    def _catch_up_with(self, key: RunKey) -> None:
        with self._database.read() as session:
            run = session.get(Run, key.run_id)
            is_known = run is None or knows(session, run, Told.by_key(key))
        if not is_known:
            with self._database.write() as session:
                run = session.get_one(Run, key.run_id)
                catch_up(session, run, Told.by_key(key))
            self._doorbell.wake()
            self._urge()
        if run is not None:
            self._keys.want([run])

    def _note_refusal(self, why: str | None) -> None:
        """Tells with the next round, which comes at once, whether Redis takes writes."""
        if why != self._redis_refuses:
            self._redis_refuses = why
            self._round_timer.hurry()

    def _excuse(self) -> None:
        self._judge.excuse()
        self._identities.excuse()

    def _note_displaced(self, what: str) -> None:
        log.warning("%s", what)
        with self._database.write() as session:
            set_aside(session, Entry("", ""), what)
        self._set_aside += 1

    def _beat(self, *, probe_sent_at: float) -> None:
        if self._judge.beat():
            self._identities.excuse()
        forced = judge_all(self._database, self._judge, at=probe_sent_at)
        if forced:
            self._keys.want(forced)
            self._doorbell.wake()
            self._urge()

    def _urge(self) -> None:
        self._ringing.urge()
        self._look_timer.hurry()

    def _note_failure(self, error: Exception, failures: int) -> None:
        self._excuse()
        if not isinstance(error, AWAY):
            log.exception("a turn failed; trying again")
        elif failures == 0:
            log.warning("Redis or the database is away; trying again: %s", error)

    def _recover(self) -> None:
        log.info("Redis and the database are back")
        self._excuse()
        self._round_timer.hurry()
        self._urge()

    def _drain(self) -> None:
        """Takes in what workers said before they ended, and tells them so."""
        until = self._clock() + DRAIN_SECONDS
        try:
            while self._clock() < until:
                entries = self._stream.read(block_seconds=0).entries
                if not entries:
                    break
                self._take_in(entries)
            self._keys.flush(everything=True)
        except AWAY as error:
            log.warning("the stream could not be drained; the next controller goes on with it: %s", error)
