"""The thread that carries every attempt's messages to the stream and brings back what the runs' keys say."""

from __future__ import annotations

import logging
import threading
import time

import redis
from pydantic import ValidationError
from redis.client import PubSub

from worker.contract import names
from worker.contract.messages import Message, RunKey
from worker.jobs.outbox import Outbox

KEY_POLL_SECONDS = 0.2
STALL_SECONDS = 5.0
_BATCH = 500
_OUTAGE_PAUSE_SECONDS = 0.5

log = logging.getLogger(__name__)


class Courier:
    """Sends within milliseconds of being woken, reads the keys five times a second, outlasts a Redis that is away."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._orders: PubSub = connection.pubsub()  # type: ignore[no-untyped-call]
        self._outboxes: list[Outbox] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._keys_read_at = 0.0
        self._is_away = False
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, outbox: Outbox) -> None:
        """Carries its messages until it is settled, then deletes it."""
        with self._lock:
            self._outboxes.append(outbox)
        self.wake()

    def wake(self) -> None:
        """There is something new to send."""
        self._wake.set()

    def is_idle(self) -> bool:
        """Is every message acknowledged of every attempt that has ended?"""
        return not self._current()

    def close(self, *, farewell_seconds: float) -> bool:
        """Waits until all is acknowledged, then ends; False when `farewell_seconds` were not enough."""
        end = time.monotonic() + farewell_seconds
        while not self.is_idle() and time.monotonic() < end:
            time.sleep(0.05)
        self._closing.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=1)
        return self.is_idle()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(KEY_POLL_SECONDS)
            self._wake.clear()
            try:
                self._round()
            except redis.RedisError as error:
                self._note_outage(error)
                self._closing.wait(_OUTAGE_PAUSE_SECONDS)
            except Exception:  # the edge of the thread, without which no run is heard of any more
                log.exception("the courier failed and goes on")
                self._closing.wait(_OUTAGE_PAUSE_SECONDS)

    def _round(self) -> None:
        """Keys are read whether or not Redis takes messages: a pause has to arrive where it takes none."""
        outboxes = self._current()
        refusal = self._ship(outboxes)
        if time.monotonic() - self._keys_read_at >= KEY_POLL_SECONDS * 0.9:
            self._keys_read_at = time.monotonic()
            self._read_keys(outboxes)
            self._read_orders(outboxes)
            self._mend(outboxes)
            self._settle(outboxes)
        if refusal is not None:
            raise refusal
        if self._is_away:
            self._is_away = False
            log.info("Redis is back")

    def _current(self) -> list[Outbox]:
        with self._lock:
            return list(self._outboxes)

    def _ship(self, outboxes: list[Outbox]) -> redis.ResponseError | None:
        """Sends what is new; returns the error where Redis refuses it."""
        parcels = [(outbox, seq, text) for outbox in outboxes for seq, text in outbox.unsent(limit=_BATCH)]
        if not parcels:
            return None
        pipeline = self._redis.pipeline(transaction=False)
        for _, _, text in parcels:
            pipeline.xadd(names.MESSAGES_STREAM, {names.ENVELOPE: text})
        entries = pipeline.execute(raise_on_error=False)
        for outbox in outboxes:
            sent = zip(parcels, entries, strict=True)
            outbox.mark_sent({seq: entry for (whose, seq, _), entry in sent if whose is outbox and _is_entry(entry)})
        refused = [entry for entry in entries if not _is_entry(entry)]
        if refused:
            return redis.ResponseError(f"{len(refused)} messages were refused, the first: {refused[0]}")
        if len(parcels) >= _BATCH:
            self.wake()
        return None

    def _read_keys(self, outboxes: list[Outbox]) -> None:
        if not outboxes:
            return
        answers = self._redis.mget([names.run_key(outbox.header.run_id) for outbox in outboxes])
        for outbox, text in zip(outboxes, answers, strict=True):
            key = parse_key(text, run_id=outbox.header.run_id)
            if key is not None:
                outbox.read_key(key)
            outbox.repair()

    def _read_orders(self, outboxes: list[Outbox]) -> None:
        """Keys that Redis, taking no writes, only passed on; see the backend's doorbell."""
        if not self._orders.subscribed:
            self._orders.subscribe(names.ORDERS_CHANNEL)
        while (message := self._orders.get_message()) is not None:
            key = _parse(message["data"]) if message["type"] == "message" else None
            for outbox in outboxes:
                if key is not None and outbox.header.run_id == key.run_id:
                    outbox.read_key(key)

    def _mend(self, outboxes: list[Outbox]) -> None:
        """Sends again what Redis has lost; what is merely waiting in the stream is left there."""
        for outbox in outboxes:
            entry = outbox.stalled_entry(after_seconds=STALL_SECONDS)
            if entry is None:
                continue
            if self._redis.xrange(names.MESSAGES_STREAM, min=entry, max=entry):
                outbox.wait_on()
            else:
                outbox.send_again()
                self.wake()

    def _settle(self, outboxes: list[Outbox]) -> None:
        for outbox in outboxes:
            if outbox.is_settled:
                outbox.delete()
                with self._lock:
                    self._outboxes.remove(outbox)

    def _note_outage(self, error: redis.RedisError) -> None:
        if not self._is_away:
            self._is_away = True
            log.warning("Redis is away or takes no messages, which are kept until it does: %s", error)


def _is_entry(answer: object) -> bool:
    return isinstance(answer, str)


def parse_key(text: str | bytes | None, *, run_id: str) -> RunKey | None:
    """The key of `run_id` as Redis has it; None when it is absent, unreadable or another's, which changes nothing."""
    key = _parse(text)
    if key is not None and key.run_id != run_id:
        log.warning("the key of run %s is of run %.60r and is passed over", run_id, key.run_id)
        return None
    return key


def _parse(text: str | bytes | None) -> RunKey | None:
    if text is None:
        return None
    try:
        return RunKey.model_validate_json(text)
    except ValidationError as error:
        log.warning("a run's key cannot be read and is passed over: %s", error)
        return None


def send(connection: redis.Redis, message: Message) -> None:
    """Says something that is not numbered, once. Raises redis.RedisError."""
    connection.xadd(names.MESSAGES_STREAM, {names.ENVELOPE: message.model_dump_json()})
