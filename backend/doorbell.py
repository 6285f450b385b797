"""What the backend says through Redis: the ring that starts an attempt, the key of a run, and the wake-up of readers.

Everything here is best effort, after the SQL commit; the controller says it again every few seconds, so a Redis
that is away, wiped or late loses nothing.
"""

from __future__ import annotations

import logging

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from backend.db.tables import Checkpoint, Run
from worker.contract import names
from worker.contract.config import RunConfig
from worker.contract.messages import CheckpointRef, RunKey, RunSpec
from worker.contract.rings import write_ring
from worker.contract.status import Desired

SOCKET_TIMEOUT_SECONDS = 15.0
#: So many rings may wait, the newest ones: each is repeated until its attempt is claimed or over.
RINGS_KEPT = 200
KEY_LIVES_SECONDS = 7 * 24 * 3600

log = logging.getLogger(__name__)

# Only a newer revision replaces what stands, whichever of two writers comes last; the same revision may raise
# ingested_through, which moves too often to count as one.
_PUBLISH = """
local standing = redis.call('GET', KEYS[1])
if standing then
  local old, new = cjson.decode(standing), cjson.decode(ARGV[1])
  if old.revision > new.revision then return 0 end
  if old.revision == new.revision and old.ingested_through > new.ingested_through then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""


class Doorbell:
    """Raises nothing when Redis is away; `publish_key` and `ring` say False then."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url)
        self._publish = self._redis.register_script(_PUBLISH)
        #: Why every live run is to make way at the moment.
        self.eviction: str | None = None

    def publish_key(self, run: Run) -> bool:
        """Tells the holder of `run` what is wanted; only a newer revision replaces what stands."""
        try:
            key = key_of(run).model_copy(update={"evict": self.eviction})
            self._publish(keys=[names.run_key(run.id)], args=[key.model_dump_json(), KEY_LIVES_SECONDS])
        except redis.RedisError as error:
            log.warning("run %s: its key could not be published: %s", run.id, error)
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


def key_of(run: Run) -> RunKey:
    return RunKey(
        run_id=run.id,
        revision=run.revision,
        desired=Desired(run.desired),
        attempt=run.attempt,
        claim_id=run.claim_id,
        ingested_through=run.ingested_through,
    )


def spec_of(run: Run, checkpoints: list[Checkpoint]) -> RunSpec:
    """The ring's content; `checkpoints` newest first."""
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
    )
