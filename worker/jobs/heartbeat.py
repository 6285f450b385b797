"""The worker's sign of life, every few seconds and whenever what it holds has changed."""

from __future__ import annotations

import logging
import threading
from collections import deque
from datetime import UTC, datetime

import redis

from worker.contract import CONTRACT
from worker.contract.messages import RingRefused, WorkerGone, WorkerSeen
from worker.jobs.admission import Admission
from worker.jobs.courier import send
from worker.jobs.devices import Slots
from worker.jobs.holdings import Holdings
from worker.jobs.identity import Identity
from worker.jobs.storage import Storage

BEAT_SECONDS = 3.0
#: Refusals that wait for a Redis that takes them; the log has all.
_REFUSALS_KEPT = 100

log = logging.getLogger(__name__)


class Heartbeat:
    """A thread of its own, so that nothing which a training does can hold it up."""

    def __init__(
        self,
        connection: redis.Redis,
        *,
        identity: Identity,
        slots: Slots,
        holdings: Holdings,
        admission: Admission,
        storage: Storage,
    ) -> None:
        self._storage = storage
        self._redis = connection
        self._admission = admission
        self._identity = identity
        self._slots = slots
        self._holdings = holdings
        self._refusals: deque[RingRefused] = deque(maxlen=_REFUSALS_KEPT)
        self._hurry = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def beat_now(self) -> None:
        """What is free or held has changed: the next training need not wait for the next beat."""
        self._hurry.set()

    def refuse(self, why: str, *, run_id: str | None = None, attempt: int | None = None, ring: str = "") -> None:
        """Tells of something in the queue of rings that is not trained here. Does not wait for Redis."""
        who = {"worker_id": self._identity.worker_id, "boot_id": self._identity.boot_id, "at": datetime.now(UTC)}
        self._refusals.append(RingRefused(**who, why=why, run_id=run_id, attempt=attempt, ring=ring))
        self._hurry.set()

    def close(self) -> None:
        """Says goodbye; nothing is heard of this boot afterwards."""
        self._closing.set()
        self._hurry.set()
        self._thread.join(timeout=5)
        who = self._identity
        self._say(WorkerGone(worker_id=who.worker_id, boot_id=who.boot_id, at=datetime.now(UTC)))

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._beat()
            except Exception:  # the edge of the thread, without which the worker is not heard of any more
                log.exception("a heartbeat failed; the next one follows")
            self._hurry.wait(BEAT_SECONDS)
            self._hurry.clear()

    def _beat(self) -> None:
        if self._say(self._seen()):
            self._say_refusals()
            self._look_whose_identity_it_is()

    def _seen(self) -> WorkerSeen:
        who = self._identity
        return WorkerSeen(
            worker_id=who.worker_id,
            boot_id=who.boot_id,
            host=who.host,
            root_id=who.root_id,
            devices=self._slots.names(),
            free_devices=self._slots.free_names(),
            holding=self._holdings.current(),
            versions=who.versions,
            unavailable_reason=self._storage.unavailable_reason,
            files_room=self._storage.files_room,
            at=datetime.now(UTC),
            contract=CONTRACT,
            place=who.place,
            is_admitted=self._admission.is_admitted,
        )

    def _look_whose_identity_it_is(self) -> None:
        try:
            self._admission.look()
        except redis.RedisError as error:
            log.debug("the worker's key was not read: %s", error)

    def _say_refusals(self) -> None:
        while self._refusals:
            refusal = self._refusals.popleft()
            if not self._say(refusal):
                self._refusals.appendleft(refusal)
                return

    def _say(self, message: WorkerSeen | WorkerGone | RingRefused) -> bool:
        try:
            send(self._redis, message)
        except redis.RedisError as error:
            log.debug("a heartbeat was not sent: %s", error)
            return False
        return True
