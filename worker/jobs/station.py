"""The worker itself: it hears rings, claims runs, and has them trained on its free slots."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import redis
from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from worker.contract import READABLE_CONTRACTS, VERSION
from worker.contract.errors import field_errors
from worker.contract.messages import Claim, Held, RunSpec
from worker.contract.numbers import Count
from worker.jobs.admission import Admission
from worker.jobs.attempt import SPOOL_FOLDER, Attempt, newest_checkpoint_bytes
from worker.jobs.claim import obtain
from worker.jobs.courier import Courier
from worker.jobs.devices import Slot, Slots
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.holdings import Holdings
from worker.jobs.identity import Identity
from worker.jobs.orphans import adopt_orphans
from worker.jobs.process_group import kill_session
from worker.jobs.settings import Settings
from worker.jobs.storage import Storage

#: Of something that is set aside, so much is told.
_ELEMENT_LENGTH = 10_000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hold:
    """A run in hand and the slots taken for it."""

    held: Held
    slots: Sequence[Slot]


class Station:
    """What the trainings of one worker share. `hear` runs in several threads at a time."""

    def __init__(self, connection: redis.Redis, *, settings: Settings, identity: Identity, slots: Slots) -> None:
        self._redis = connection
        self._settings = settings
        self._identity = identity
        self._slots = slots
        self._holdings = Holdings()
        self._courier = Courier(connection)
        self._storage = Storage(
            spool=settings.state / SPOOL_FOLDER,
            files=settings.files,
            reserve=settings.disk_reserve,
            changed=lambda: self._heartbeat.beat_now(),
        )
        self._admission = Admission(connection, identity=identity, settings=settings)
        self._heartbeat = Heartbeat(
            connection,
            identity=identity,
            slots=slots,
            holdings=self._holdings,
            admission=self._admission,
            storage=self._storage,
        )
        self._trainers: set[int] = set()
        self._is_closing = False

    def open(self) -> bool:
        """Begins to be heard of and, once its identity is known to be its own, answers for what an earlier start held.

        Returns when it may train; False when it is to end before.
        """
        self._storage.look()
        self._heartbeat.start()
        if not self._admission.wait(is_closing=lambda: self._is_closing):
            return False
        adopt_orphans(self._settings.state / SPOOL_FOLDER, files=self._settings.files, courier=self._courier)
        self._storage.start()
        self._courier.start()
        return True

    def begin_closing(self) -> None:
        """Takes nothing new and lets every training write its checkpoint and end. Safe in a signal handler."""
        self._is_closing = True

    def close(self) -> None:
        """Says goodbye when every training has ended."""
        if not self._courier.close(farewell_seconds=self._settings.farewell_seconds):
            log.warning("not everything was acknowledged; the rest is sent at the next start")
        self._heartbeat.close()
        self._storage.close()

    def kill_trainers(self) -> None:
        """Ends every training without a checkpoint. Safe in a signal handler."""
        for pid in list(self._trainers):
            kill_session(pid)

    def set_aside(self, element: bytes, why: str) -> None:
        """Tells the controller, which keeps it, of something in the queue that is no ring."""
        log.error("something in the queue of rings was set aside: %s", why)
        self._heartbeat.refuse(why, ring=element[:_ELEMENT_LENGTH].decode(errors="replace"))

    def hear(self, ring: str) -> None:
        """Trains what the ring asks for, if it is for this worker; returns when that has ended. Never raises."""
        try:
            spec = read_ring(ring)
            is_ready = self._admission.is_admitted and not self._is_closing
            if is_ready and self._mounts(spec) and self._has_room(spec):
                self._take_and_train(spec)
        except ValidationError as error:
            self._refuse(ring, error)
        except Exception:  # the edge of the task; Celery would only log it in its own words
            log.exception("a ring failed")

    def _refuse(self, ring: str, error: ValidationError) -> None:
        """Says what of the ring is not valid here, and of which run."""
        complaints = "; ".join(chain.from_iterable(field_errors(error).values())) + f" (ResDrop {VERSION})"
        try:
            told = _Named.model_validate_json(ring)
        except ValidationError:
            told = _Named()
        log.error("the ring of run %s was refused: %s", told.run_id, complaints)
        self._heartbeat.refuse(complaints, run_id=told.run_id, attempt=told.attempt, ring=ring[:_ELEMENT_LENGTH])

    def _mounts(self, spec: RunSpec) -> bool:
        """Is the newest checkpoint within reach? From an older one the run would silently lose steps."""
        newest = spec.checkpoints[0] if spec.checkpoints else None
        if newest is None or newest.root_id == self._identity.root_id:
            return True
        log.info("run %s lies in storage root %s, which is not mounted here", spec.run_id, newest.root_id)
        return False

    def _has_room(self, spec: RunSpec) -> bool:
        """Asked before the claim, so that the run is still anybody's. The controller is told with the next beat."""
        self._storage.look()
        lack = self._storage.start_shortage(newest_checkpoint_bytes(spec, self._settings.files))
        if lack is not None:
            log.info("run %s is not begun: %s", spec.run_id, lack)
            self._heartbeat.beat_now()
        return lack is None

    def _take_and_train(self, spec: RunSpec) -> None:
        with self._hold(spec) as hold:
            if hold is None or not self._obtain(hold):
                return
            self._holdings.note_trained(hold.held)
            attempt = self._attempt(spec, hold)
            word = attempt.train()
        attempt.say_last(word)

    @contextmanager
    def _hold(self, spec: RunSpec) -> Iterator[Hold | None]:
        """The run and the slots for it, or nothing; both are free again afterwards."""
        held = Held(run_id=spec.run_id, attempt=spec.attempt, claim_id=uuid.uuid4().hex)
        if not self._holdings.take(held):
            yield None
            return
        slots = self._slots.take(spec.config.devices, device=spec.config.device)
        try:
            yield Hold(held, slots) if slots is not None else None
        finally:
            self._slots.give_back(slots or ())
            self._holdings.let_go(held)
            self._heartbeat.beat_now()

    def _obtain(self, hold: Hold) -> bool:
        claim = Claim(
            run_id=hold.held.run_id,
            attempt=hold.held.attempt,
            claim_id=hold.held.claim_id,
            at=datetime.now(UTC),
            worker_id=self._identity.worker_id,
            boot_id=self._identity.boot_id,
            devices=[slot.name for slot in hold.slots],
        )
        self._heartbeat.beat_now()
        return obtain(self._redis, claim, is_closing=lambda: self._is_closing)

    def _attempt(self, spec: RunSpec, hold: Hold) -> Attempt:
        names = ", ".join(slot.name for slot in hold.slots)
        log.info("run %s: attempt %d begins on %s", spec.run_id, spec.attempt, names)
        return Attempt(
            spec,
            hold.held,
            slots=hold.slots,
            threads=self._slots.threads_each(),
            identity=self._identity,
            settings=self._settings,
            courier=self._courier,
            trainers=self._trainers,
            storage=self._storage,
            note_outbox=self._holdings.note_outbox,
            is_closing=lambda: self._is_closing,
        )


class _Ring(RunSpec):
    """A RunSpec from outside: its id names a folder."""

    run_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    attempt: int = Field(ge=1)

    @model_validator(mode="before")
    @classmethod
    def _is_meant_for_this_version(cls, ring: Any) -> Any:
        """Before all else: by another contract the same words may mean something else."""
        contract = ring.get("contract", 1) if isinstance(ring, dict) else 1
        if contract not in READABLE_CONTRACTS:
            told = {"message": _other_contract(contract), "field": "contract"}
            raise PydanticCustomError("setting", "{message}", told)
        return ring


def _other_contract(contract: object) -> str:
    known = ", ".join(map(str, sorted(READABLE_CONTRACTS)))
    return f"the service speaks contract {contract}, this worker {known}; run the same version of ResDrop on both"


class _Named(BaseModel):
    """Whose ring it is, of one that is not valid otherwise."""

    run_id: str | None = None
    attempt: Count | None = None


def read_ring(ring: str) -> RunSpec:
    """The ring's content. Raises ValidationError for what this version cannot train as it is meant."""
    return _Ring.model_validate_json(ring)
