"""What one attempt has to say, in order: numbered, kept on disk, sent, and forgotten once it is in SQL."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any

from worker.contract.messages import (
    MESSAGE,
    Completed,
    Failed,
    Paused,
    Released,
    RunKey,
    Sequenced,
    Stopped,
)
from worker.jobs.spool import Spool

#: After one of these an attempt has nothing more to say.
FINAL = (Completed, Failed, Paused, Released, Stopped)

_COMPACT_BYTES = 1_000_000
#: A spool that could not be written is tried again so often.
_REPAIR_SECONDS = 2.0


@dataclass(frozen=True)
class _Message:
    seq: int
    text: str
    #: Its place in the stream; "" until it is sent.
    entry: str = ""


class Outbox:
    """One attempt's messages. Its supervisor speaks and the courier sends, at the same time if need be."""

    def __init__(self, spool: Spool, messages: Sequence[Sequenced] = ()) -> None:
        self.header = spool.header
        #: The newest key that was seen of the run; None as long as there was none.
        self.key: RunKey | None = None
        self._spool = spool
        self._lock = threading.Lock()
        self._waiting = deque(_Message(message.seq, message.model_dump_json()) for message in messages)
        self._sent: deque[_Message] = deque()
        self._last_seq = messages[-1].seq if messages else spool.header.begins_after
        self._acknowledged = spool.header.begins_after
        self._unanswered_deliveries = 0
        self._moved_at = time.monotonic()
        self._is_final = bool(messages) and isinstance(messages[-1], FINAL)
        self._is_dropped = False
        self._repaired_at = time.monotonic()

    @property
    def complaint(self) -> str | None:
        """Why what is said is not kept on the disk at the moment."""
        return self._spool.complaint

    @property
    def is_final(self) -> bool:
        """Was the last word said?"""
        return self._is_final

    @property
    def acknowledged_through(self) -> int:
        """The number up to which everything is in SQL."""
        return self._acknowledged

    @property
    def is_superseded(self) -> bool:
        """Has a later attempt taken this one's place, or been given to another claim?"""
        key, header = self.key, self.header
        if key is None or key.attempt < header.attempt:
            return False
        return key.attempt > header.attempt or key.claim_id not in (None, header.claim_id)

    def say(self, kind: str, **body: Any) -> int:
        """Appends a message of the contract and returns its number. Raises ValueError for what is no such message."""
        with self._lock:
            return self._append({"at": datetime.now(UTC), **body, "kind": kind})

    def _append(self, body: Mapping[str, Any]) -> int:
        header = self.header
        envelope = {"run_id": header.run_id, "attempt": header.attempt, "claim_id": header.claim_id}
        message = MESSAGE.validate_python({**body, **envelope, "seq": self._last_seq + 1})
        if not isinstance(message, Sequenced):
            raise ValueError(f"{message.kind!r} is no message of an attempt")
        if not self._is_dropped:
            text = message.model_dump_json()
            self._spool.append(text)
            self._waiting.append(_Message(message.seq, text))
        self._last_seq = message.seq
        self._is_final = isinstance(message, FINAL)
        return message.seq

    def repair(self) -> None:
        """Writes a spool anew that could not be written, with all that it should hold, where the disk takes it now."""
        with self._lock:
            now = time.monotonic()
            if self._spool.complaint is None or self._is_dropped or now - self._repaired_at < _REPAIR_SECONDS:
                return
            self._repaired_at = now
            self._spool.rewrite(self._remaining(), begins_after=self._acknowledged)

    def drop(self) -> None:
        """Says nothing any more, not even what is still waiting."""
        with self._lock:
            self._is_dropped = True
            self._waiting.clear()
            self._sent.clear()

    def unsent(self, *, limit: int) -> list[tuple[int, str]]:
        """The next messages to send, with their numbers."""
        with self._lock:
            return [(message.seq, message.text) for message in islice(self._waiting, limit)]

    def mark_sent(self, entries: Mapping[int, str]) -> None:
        """Notes the places in the stream of messages that were just sent, by number."""
        with self._lock:
            if not self._sent:
                self._moved_at = time.monotonic()
            while self._waiting and self._waiting[0].seq in entries:
                message = self._waiting.popleft()
                self._sent.append(_Message(message.seq, message.text, entries[message.seq]))

    def read_key(self, key: RunKey) -> None:
        """Takes in what the run's key says; an older revision than the last one is passed over."""
        with self._lock:
            if self.key is not None and key.revision < self.key.revision:
                return
            self.key = key
            is_about_us = key.attempt == self.header.attempt and not self.is_superseded
            if is_about_us and key.ingested_through > self._acknowledged:
                self._forget(through=key.ingested_through)

    def _forget(self, *, through: int) -> None:
        self._acknowledged = through
        self._moved_at = time.monotonic()
        for messages in (self._sent, self._waiting):
            while messages and messages[0].seq <= through:
                messages.popleft()
        self._compact()

    def _compact(self) -> None:
        """Rewrites the spool when most of it is acknowledged, so that a long run does not fill the disk."""
        size = self._spool.size()
        remaining = self._remaining() if size > _COMPACT_BYTES else []
        if size > _COMPACT_BYTES and sum(map(len, remaining)) < size / 2:
            self._spool.rewrite(remaining, begins_after=self._acknowledged)

    def _remaining(self) -> list[str]:
        return [message.text for message in chain(self._sent, self._waiting)]

    def stalled_entry(self, *, after_seconds: float) -> str | None:
        """The place in the stream of the oldest message that was sent, when the controller has long not answered."""
        with self._lock:
            if not self._sent or time.monotonic() - self._moved_at < after_seconds:
                return None
            return self._sent[0].entry

    def wait_on(self) -> None:
        """The stalled entry is still in the stream: the controller is late, nothing was lost."""
        with self._lock:
            self._moved_at = time.monotonic()

    def send_again(self) -> None:
        """The stalled entry has left the stream and no answer came: it was lost, or nobody answers for this attempt."""
        with self._lock:
            self._unanswered_deliveries += 1
            self._waiting.extendleft(reversed(self._sent))
            self._sent.clear()

    @property
    def is_settled(self) -> bool:
        """Is there nothing left to do for it?

        An attempt that no key tells of any more gets no answer. The controller takes an entry out of the stream only
        after it has committed it, so one delivery is enough; where a wipe of Redis may have taken it, two are.
        """
        with self._lock:
            if self._is_dropped:
                return True
            enough = 1 if self.is_superseded else 2
            gets_answers = self.key is not None and self.key.attempt == self.header.attempt and not self.is_superseded
            is_given_up = not gets_answers and self._unanswered_deliveries >= enough
            return self._is_final and (is_given_up or not (self._waiting or self._sent))

    def delete(self) -> None:
        """Removes the spool; nothing may be said afterwards."""
        with self._lock:
            self._is_dropped = True
            self._spool.delete()
