"""One attempt's training process, watched from its start until nothing of it is left."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from worker.contract.status import Desired
from worker.jobs.ending import LastWord, Observed, last_word
from worker.jobs.outbox import Outbox
from worker.jobs.process_group import ProcessGroup
from worker.jobs.reception import Reception
from worker.jobs.settings import Settings
from worker.jobs.storage import Storage
from worker.jobs.training_log import TrainingLog
from worker.jobs.wire import Assignment, Order

#: What a trainer may take to end after its last word.
_EXIT_SECONDS = 10.0


class Supervisor:
    """Tells a trainer what is wanted of it, and ends it when it is over, whatever it does."""

    def __init__(
        self,
        group: ProcessGroup,
        *,
        assignment: Assignment,
        outbox: Outbox,
        log: TrainingLog,
        settings: Settings,
        storage: Storage,
        checkpoint_bytes: int,
        wake: Callable[[], None],
        is_closing: Callable[[], bool],
    ) -> None:
        """`wake` is called when the outbox has something new; `is_closing` asks whether the worker shuts down."""
        self._storage = storage
        self._wake = wake
        #: Why the training has to make way, once it has.
        self._evicted: str | None = None
        self._told_complaint: str | None = None
        self._group = group
        self._assignment = assignment
        self._outbox = outbox
        self._log = log
        self._settings = settings
        self._is_closing = is_closing
        self._reception = Reception(
            group, assignment=assignment, outbox=outbox, log=log, checkpoint_bytes=checkpoint_bytes, wake=wake
        )
        self._order: Order | None = None
        self._ordered_at = 0.0

    def watch(self) -> LastWord | None:
        """Returns when no process of the group is left: what is to be said last, None where nothing may be said."""
        self._group.tell(self._assignment.model_dump_json())
        while not self._is_over():
            self._reception.take_in()
            self._tell_of_the_spool()
            self._tell_what_is_wanted()
        overstayed, stalled = self._has_overstayed(), self._is_stalled()
        status = self._group.exit_status()
        self._group.end()
        self._reception.take_in_the_rest()
        if self._outbox.is_superseded:
            return None
        return last_word(
            Observed(
                desired=self._desired(),
                ended=self._reception.ended,
                exit_status=-signal.SIGKILL if status is None else status,
                checkpoint_step=self._reception.checkpoint_step,
                worker_closes=self._is_closing(),
                evicted=self._evicted,
                overstayed=overstayed and status is None,
                stalled_seconds=self._settings.stall_seconds if stalled and status is None else None,
                log_tail=tuple(self._log.tail()),
            )
        )

    def _is_over(self) -> bool:
        if self._group.exit_status() is not None or self._outbox.is_superseded:
            return True
        if self._reception.ended is not None:
            return self._silent_seconds() > _EXIT_SECONDS
        return self._has_overstayed() or self._is_stalled()

    def _has_overstayed(self) -> bool:
        """Was it asked to pause or stop, and is its time for that over?"""
        return self._order is not None and time.monotonic() - self._ordered_at > self._settings.grace_seconds

    def _is_stalled(self) -> bool:
        return self._silent_seconds() > self._settings.stall_seconds

    def _silent_seconds(self) -> float:
        return time.monotonic() - self._reception.heard_at

    def _desired(self) -> Desired:
        key = self._outbox.key
        return key.desired if key is not None and key.attempt == self._outbox.header.attempt else Desired.RUN

    def _is_evicted(self) -> bool:
        """Does the disk, this worker's or the service's, have too little room? Once it is so it stays so."""
        if self._evicted is None and self._reception.ended is None:
            key = self._outbox.key
            self._evicted = (key.evict if key is not None else None) or self._storage.shortage(
                self._reception.checkpoint_bytes
            )
        return self._evicted is not None

    def _tell_of_the_spool(self) -> None:
        complaint = self._outbox.complaint
        if complaint == self._told_complaint:
            return
        self._told_complaint = complaint
        text = "what it reports is kept on its worker's disk again"
        if complaint is not None:
            text = f"its worker cannot keep on its disk what it reports ({complaint}); it is sent all the same"
        self._outbox.say("notice", text=text)
        self._wake()

    def _tell_what_is_wanted(self) -> None:
        """An order is given once; stopping may still follow on pausing."""
        desired = self._desired()
        wanted = Order.STOP if desired is Desired.STOP else Order.PAUSE
        goes_on = desired is Desired.RUN and not self._is_closing() and not self._is_evicted()
        if goes_on or self._order in (wanted, Order.STOP):
            return
        if self._order is None:
            self._ordered_at = time.monotonic()
        self._order = wanted
        self._group.tell(wanted.value)
