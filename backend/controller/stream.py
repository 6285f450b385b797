"""The stream of what workers say, read from its beginning: what is still in it has not been committed yet."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import redis

from worker.contract.names import ENVELOPE, MESSAGES_STREAM, SET_ASIDE_KEY

READ_AT_ONCE = 200
_PROBE = "probe"
#: What Redis answers to every XADD from then on.
_EXHAUSTED = "exhausted the last possible ID"


@dataclass(frozen=True)
class Entry:
    """One thing somebody said. `age_seconds` is how long it lay in the stream, by the clock of Redis."""

    id: str
    body: str
    age_seconds: float = 0.0


@dataclass
class Reading:
    """`own_probe` is when the probe was sent that came back with these entries, all older than itself. `displaced`
    says what stood in the stream's place and was moved aside."""

    entries: list[Entry] = field(default_factory=list)
    own_probe: float | None = None
    displaced: str = ""


class MessageStream:
    """Raises redis.RedisError when Redis is away.

    There is no position to keep, and so none to lose: an entry is deleted once it is committed, so the first one
    is always the next. That holds after a wipe and after a crash between commit and deletion, too (what is then
    read twice is recognised by its sequence number).
    """

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._probe: tuple[str, float] | None = None

    def read(self, *, block_seconds: float) -> Reading:
        """The oldest entries; waits up to `block_seconds` for the first one."""
        block = max(1, round(block_seconds * 1000)) if block_seconds > 0 else None
        try:
            # redis-py's own type lists every protocol's shape; ours is one stream and its entries, as text.
            found: Any = self._redis.xread({MESSAGES_STREAM: "0-0"}, count=READ_AT_ONCE, block=block)
        except redis.ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            return Reading(displaced=self._move_aside_what_is_no_stream())
        entries: list[tuple[str, dict[str, str]]] = found[0][1] if found else []
        return self._sorted(entries) if entries else Reading()

    def _sorted(self, entries: list[tuple[str, dict[str, str]]]) -> Reading:
        seconds, microseconds = self._redis.time()
        now = seconds + microseconds / 1e6
        reading = Reading()
        probes = []
        for entry_id, fields in entries:
            if _PROBE in fields:
                probes.append(entry_id)
                reading.own_probe = self._sent_at(fields[_PROBE]) or reading.own_probe
                continue
            body = fields[ENVELOPE] if ENVELOPE in fields else json.dumps(fields)
            age = max(0.0, now - int(entry_id.partition("-")[0]) / 1000)
            reading.entries.append(Entry(entry_id, body, age))
        self.delete(probes)
        return reading

    def _move_aside_what_is_no_stream(self) -> str:
        """Makes room for the stream where a key of another kind has its name; nothing could be said otherwise."""
        kind = str(self._redis.type(MESSAGES_STREAM))
        return f"the key {MESSAGES_STREAM} was a {kind} and no stream; {self._move_aside()}"

    def _move_aside(self) -> str:
        kept = SET_ASIDE_KEY + MESSAGES_STREAM
        self._redis.rename(MESSAGES_STREAM, kept)
        return f"it was renamed to {kept}"

    def delete(self, entry_ids: list[str]) -> None:
        """Forgets entries that are in SQL. By their ids: an entry that nobody has read can't be hit."""
        if entry_ids:
            self._redis.xdel(MESSAGES_STREAM, *entry_ids)

    @property
    def probe_sent_at(self) -> float | None:
        """When the probe was sent that is still on its way."""
        return self._probe[1] if self._probe is not None else None

    def send_probe(self, *, at: float) -> str:
        """Puts an entry of our own into the stream: when it comes back, Redis carries and all before it was read.

        Returns what was moved aside for it: a stream whose last id somebody has taken lets nobody say anything more.
        """
        try:
            self._add_probe(at)
        except redis.ResponseError as error:
            # What is still in it is read before.
            if _EXHAUSTED not in str(error) or self._redis.xlen(MESSAGES_STREAM):
                raise
            displaced = f"the stream {MESSAGES_STREAM} had come to its last possible id; {self._move_aside()}"
            self._add_probe(at)
            return displaced
        return ""

    def _add_probe(self, at: float) -> None:
        token = uuid4().hex
        self._redis.xadd(MESSAGES_STREAM, {_PROBE: token})
        self._probe = (token, at)

    def _sent_at(self, token: str) -> float | None:
        if self._probe is None or token != self._probe[0]:
            return None
        sent_at = self._probe[1]
        self._probe = None
        return sent_at
