"""What the backend says through Redis: the ring that starts an attempt, the key of a run, and the wake-up of readers.

Everything here is best effort, after the SQL commit; the controller says it again every few seconds, so a Redis
that is away, wiped or late loses nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum
from typing import Any

import redis
from pydantic import ValidationError
from redis.backoff import NoBackoff
from redis.retry import Retry

from backend.db.tables import Checkpoint, Run
from worker.contract import CONTRACT, names
from worker.contract.config import RunConfig
from worker.contract.messages import LAST_REVISION, CheckpointRef, RunKey, RunSpec, WorkerKey
from worker.contract.numbers import LARGEST, LARGEST_COUNTED
from worker.contract.rings import write_ring
from worker.contract.status import Desired

SOCKET_TIMEOUT_SECONDS = 15.0
#: So many rings may wait, the newest ones: each is repeated until its attempt is claimed or over.
RINGS_KEPT = 200
KEY_LIVES_SECONDS = 7 * 24 * 3600

_LONGEST_KEY = 4096

log = logging.getLogger(__name__)

# Only a newer revision replaces what stands, whichever of two writers comes last; the same revision may raise
# ingested_through, which moves too often to count as one. Where what stands is not replaced, it is returned with its
# hash. What is no key, of whatever type or size, is replaced, and so is what has the hash that is given (ARGV[3]).
_PUBLISH = f"""
local kind = redis.call('TYPE', KEYS[1]).ok
local standing = kind == 'string' and redis.call('STRLEN', KEYS[1]) <= {_LONGEST_KEY} and redis.call('GET', KEYS[1])
local hash = standing and redis.sha1hex(standing)
if standing and hash ~= ARGV[3] then
  local is_json, old = pcall(cjson.decode, standing)
  local new = cjson.decode(ARGV[1])
  if is_json and type(old) == 'table' and type(old.revision) == 'number' and old.revision >= new.revision then
    local is_same = old.desired == new.desired and old.attempt == new.attempt and old.claim_id == new.claim_id
    local is_further = type(old.ingested_through) == 'number' and old.ingested_through > new.ingested_through
    if old.revision > new.revision or not is_same or is_further then return {{standing, hash}} end
  end
end
if kind ~= 'none' and kind ~= 'string' then redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return false
"""


class Publication(Enum):
    """What became of a key."""

    KEPT = "kept"
    #: Redis takes no writes; whoever holds the run was told through the channel, and is to be told again.
    TOLD = "told"
    #: What stands is newer, or as new and another.
    OUTDONE = "outdone"
    FAILED = "failed"
    AWAY = "away"


@dataclass(frozen=True)
class Published:
    """`standing` is the key that outdid ours."""

    publication: Publication
    standing: RunKey | None = None


class Doorbell:
    """Raises nothing when Redis is away; what is asked of it says so."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url)
        self._publish = self._redis.register_script(_PUBLISH)
        #: Why every live run is to make way at the moment.
        self.eviction: str | None = None

    def publish_key(self, run: Run) -> Published:
        """Tells the holder of `run` what is wanted; only a newer revision replaces what stands."""
        try:
            key = key_of(run).model_copy(update={"evict": self.eviction}).model_dump_json()
        except ValueError as error:
            log.error("run %s: what the database has of it makes no key, and nobody is told of it: %s", run.id, error)
            return Published(Publication.FAILED)
        try:
            standing, digest = self._offer(run.id, key)
            found = _sound_key(standing, run_id=run.id) if standing is not None else None
            if standing is not None and found is None:
                self._offer(run.id, key, in_place_of=digest)
        except redis.ResponseError as error:
            return Published(self._tell(run.id, key, error))
        except redis.RedisError as error:
            log.warning("run %s: its key could not be published: %s", run.id, error)
            return Published(Publication.AWAY)
        return Published(Publication.OUTDONE, found) if found is not None else Published(Publication.KEPT)

    def _offer(self, run_id: str, key: str, *, in_place_of: str = "") -> tuple[str | None, str]:
        """What stands, with its hash, where that was not replaced."""
        answer: Any = self._publish(keys=[names.run_key(run_id)], args=[key, KEY_LIVES_SECONDS, in_place_of])
        return (answer[0], answer[1]) if answer else (None, "")

    def _tell(self, run_id: str, key: str, error: redis.ResponseError) -> Publication:
        """What only passes through is taken by a Redis that keeps nothing more."""
        if refusal_of(error) is None:
            log.error("run %s: its key could not be published: %s", run_id, error)
            return Publication.FAILED
        try:
            self._redis.publish(names.ORDERS_CHANNEL, key)
        except redis.RedisError as refusal:
            log.warning("run %s: its holder could not be told what is wanted: %s", run_id, refusal)
            return Publication.AWAY
        return Publication.TOLD

    def publish_last_word(self, run_id: str, *, attempt: int) -> bool:
        """Ends whoever holds a run that SQL doesn't know: nothing of what it says can be kept."""
        outdoing = min(attempt + 1, LARGEST)
        key = RunKey(run_id=run_id, revision=LAST_REVISION, desired=Desired.STOP, attempt=outdoing)
        return self._set(names.run_key(run_id), key.model_dump_json())

    def publish_worker(self, key: WorkerKey) -> bool:
        """Tells the starts of a worker which of them has its identity."""
        return self._set(names.worker_key(key.worker_id), key.model_dump_json())

    def _set(self, name: str, text: str) -> bool:
        try:
            self._redis.set(name, text, ex=KEY_LIVES_SECONDS)
        except redis.RedisError as error:
            log.warning("%s could not be published: %s", name, error)
            return False
        return True

    def ring(self, spec: RunSpec) -> bool:
        """Asks any worker to claim this attempt; a ring may come twice or never."""
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.lpush(names.TRAIN_QUEUE, write_ring(spec))
                pipeline.ltrim(names.TRAIN_QUEUE, 0, RINGS_KEPT - 1)
                pipeline.execute()
        except redis.RedisError as error:
            log.warning("run %s: the ring could not be sent: %s", spec.run_id, error)
            return False
        return True

    def take_back_rings(self) -> None:
        """Empties the queue of rings, which nobody is there to hear."""
        try:
            self._redis.delete(names.TRAIN_QUEUE)
        except redis.RedisError as error:
            log.debug("the rings could not be taken back: %s", error)

    def wake(self) -> None:
        """Wakes whoever reads SQL for a live page."""
        try:
            self._redis.publish(names.WAKE_CHANNEL, "")
        except redis.RedisError as error:
            log.debug("nobody could be woken: %s", error)

    def close(self) -> None:
        self._redis.close()


def connect(redis_url: str) -> redis.Redis:
    """A client that notices a half-open connection, and whose blocking reads stay below that limit.

    It tries a command a second time at once, which mends a connection that broke while idle. What is no UTF-8 is
    read as far as it is some, so that a broken entry can be set aside.
    """
    return redis.Redis.from_url(
        redis_url,
        decode_responses=True,
        encoding_errors="replace",
        retry=Retry(NoBackoff(), 1),
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=2.0,
        health_check_interval=10,
    )


class Refusal(Enum):
    """Why Redis takes no writes at all, from nobody."""

    FULL = "OOM"
    DISK = "MISCONF"
    READ_ONLY = "READONLY"
    ALONE = "NOREPLICAS"


def refusal_of(error: redis.RedisError) -> Refusal | None:
    """None where the error says something else. Scripts wrap the error of their command on an older server."""
    if not isinstance(error, redis.ResponseError):
        return None
    if isinstance(error, redis.OutOfMemoryError):
        return Refusal.FULL
    if isinstance(error, redis.ReadOnlyError):
        return Refusal.READ_ONLY
    return next((refusal for refusal in Refusal if refusal.value in str(error)), None)


def _sound_key(text: str, *, run_id: str) -> RunKey | None:
    """None where `text` is no key that SQL could have had of this run."""
    try:
        key = RunKey.model_validate_json(text)
    except ValidationError:
        return None
    if key.run_id != run_id:
        return None
    # A greater revision was never SQL's: it is damaged, or of the last word about a run that SQL lacked then.
    return key if max(key.revision, key.attempt) <= LARGEST_COUNTED else None


def key_of(run: Run) -> RunKey:
    """Raises ValueError where the row is none that the service writes."""
    return RunKey(
        run_id=run.id,
        revision=run.revision,
        desired=Desired(run.desired),
        attempt=run.attempt,
        claim_id=run.claim_id,
        ingested_through=run.ingested_through,
    )


def spec_of(run: Run, checkpoints: list[Checkpoint]) -> RunSpec:
    """The ring's content; `checkpoints` newest first. Raises ValueError where a row is none that the service writes."""
    references = [
        CheckpointRef(root_id=item.root_id, path=item.path, step=item.step, best=item.best) for item in checkpoints
    ]
    return RunSpec(
        run_id=run.id,
        attempt=run.attempt,
        name=run.name,
        config=RunConfig.model_validate(run.config),
        checkpoints=references,
        elapsed_seconds=run.elapsed_seconds,
        contract=CONTRACT,
    )
