"""Which live runs have lost their worker: judged by the controller's own clock, and only on evidence.

Silence counts up to a probe that came back through the stream: everything said before it has been taken in. A time in
which the controller itself, Redis or the database was away is no silence; the grace starts again after it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from worker.contract.messages import Held, Message, RingRefused, WorkerGone, WorkerSeen

SILENCE_SECONDS = 30.0
#: A longer time between two probes that came back means that somebody was away.
AWAY_AFTER_SECONDS = 6.0
#: A worker that starts anew says first what its previous boot left unsaid.
REBOOT_SECONDS = 4.0


@dataclass(frozen=True)
class Holder:
    """Who trains: one claim on one attempt of a run."""

    run_id: str
    attempt: int
    claim_id: str


@dataclass(frozen=True)
class Boot:
    worker_id: str
    boot_id: str


class Judge:
    """Remembers in memory only: after a restart of the controller every live run is given the whole grace again."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._grace_from = clock()
        self._last_beat = clock()
        self._heard: dict[Holder, float] = {}
        self._workers: dict[str, float] = {}
        self._boot_of: dict[Holder, Boot] = {}
        #: From when on what such a boot held is lost.
        self._ended: dict[Boot, float] = {}

    def excuse(self) -> None:
        """Somebody was away until now: nobody's silence counts."""
        self._grace_from = self._clock()

    def hear(self, messages: Iterable[Message]) -> None:
        """Takes what is committed as signs of life."""
        for message in messages:
            if isinstance(message, WorkerSeen):
                self._hear_worker(message)
            elif isinstance(message, WorkerGone):
                self._ended.setdefault(Boot(message.worker_id, message.boot_id), self._clock())
            elif not isinstance(message, RingRefused):
                self._heard[Holder(message.run_id, message.attempt, message.claim_id)] = self._clock()

    def end(self, boots: Iterable[Boot]) -> None:
        """Another start has begun in the place of each of them: nothing of them lives any more."""
        for boot in boots:
            self._ended.setdefault(boot, self._clock() + REBOOT_SECONDS)

    def _hear_worker(self, message: WorkerSeen) -> None:
        now = self._clock()
        boot = Boot(message.worker_id, message.boot_id)
        self._workers[message.worker_id] = now
        for holder in map(_holder, message.holding):
            self._heard[holder] = now
            self._boot_of[holder] = boot

    def beat(self) -> bool:
        """A probe came back and what came before it is committed. Was somebody away until now?"""
        was_away = self._clock() - self._last_beat > AWAY_AFTER_SECONDS
        if was_away:
            self.excuse()
        self._last_beat = self._clock()
        return was_away

    def lost(self, live: Collection[Holder], *, at: float) -> dict[Holder, str]:
        """Those of `live` whose worker is gone, and why; `at` is when the probe was sent that came back."""
        self._heard = {holder: when for holder, when in self._heard.items() if holder in live}
        self._boot_of = {holder: boot for holder, boot in self._boot_of.items() if holder in live}
        self._ended = {boot: when for boot, when in self._ended.items() if boot in self._boot_of.values()}
        reasons = {holder: self._verdict(holder, at) for holder in live}
        return {holder: reason for holder, reason in reasons.items() if reason is not None}

    def _verdict(self, holder: Holder, at: float) -> str | None:
        boot = self._boot_of.get(holder)
        if boot is not None and self._ended.get(boot, at) < at:
            return f"worker {boot.worker_id} ended without it"
        if self._silence(self._heard.get(holder), at) >= SILENCE_SECONDS:
            return f"nothing was heard from its worker for {SILENCE_SECONDS:g} s"
        return None

    def silent_workers(self, known: Iterable[str], *, at: float) -> list[str]:
        """Those of `known` that have not been heard for as long as a run may be silent."""
        return [worker for worker in known if self._silence(self._workers.get(worker), at) >= SILENCE_SECONDS]

    def _silence(self, heard: float | None, at: float) -> float:
        return at - max(self._grace_from, heard if heard is not None else self._grace_from)


def _holder(held: Held) -> Holder:
    return Holder(held.run_id, held.attempt, held.claim_id)
