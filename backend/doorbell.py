"""What the backend says through Redis: the ring that starts an attempt, the key of a run, and the wake-up of readers.

Everything here is best effort, after the SQL commit; the controller says it again every few seconds, so a Redis
that is away, wiped or late loses nothing.
"""

from __future__ import annotations

import logging
from urllib.parse import quote

import redis
from celery import Celery
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from backend.db.tables import Checkpoint, Run
from worker.contract import names
from worker.contract.config import RunConfig
from worker.contract.messages import CheckpointRef, RunKey, RunSpec
from worker.contract.status import Desired

SOCKET_TIMEOUT_SECONDS = 15.0
RING_EXPIRES_SECONDS = 30
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
        self._celery = Celery("resdrop", broker=celery_url(redis_url), set_as_current=False)
        self._celery.conf.update(
            task_serializer="json",
            accept_content=["json"],
            task_ignore_result=True,
            broker_connection_retry=False,
            broker_transport_options={"socket_timeout": SOCKET_TIMEOUT_SECONDS, "socket_connect_timeout": 2.0},
        )

    def publish_key(self, run: Run) -> bool:
        """Tells the holder of `run` what is wanted; only a newer revision replaces what stands."""
        try:
            self._publish(keys=[names.run_key(run.id)], args=[key_of(run).model_dump_json(), KEY_LIVES_SECONDS])
        except redis.RedisError as error:
            log.warning("run %s: its key could not be published: %s", run.id, error)
            return False
        return True

    def ring(self, spec: RunSpec) -> bool:
        """Asks any worker to claim this attempt; a ring may come twice or never."""
        try:
            self._celery.send_task(
                names.TRAIN_TASK,
                kwargs={"spec": spec.model_dump(mode="json")},
                queue=names.TRAIN_QUEUE,
                expires=RING_EXPIRES_SECONDS,
                retry=False,
            )
        except (OperationalError, redis.RedisError, OSError) as error:
            log.warning("run %s: the ring could not be sent: %s", spec.run_id, error)
            return False
        return True

    def wake(self) -> None:
        """Wakes whoever reads SQL for a live page."""
        try:
            self._redis.publish(names.WAKE_CHANNEL, "")
        except redis.RedisError as error:
            log.debug("nobody could be woken: %s", error)

    def ping(self) -> bool:
        try:
            return bool(self._redis.ping())
        except redis.RedisError:
            return False

    def close(self) -> None:
        self._celery.close()
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


def celery_url(redis_url: str) -> str:
    """kombu's spelling of a redis-py address: a unix socket is redis+socket:// with the database as virtual_host.

    The password stands before the path even for a socket: kombu passes over one that is given in the query.
    """
    if not redis_url.startswith("unix://"):
        return redis_url
    parts = parse_url(redis_url)  # type: ignore[no-untyped-call]
    user, password = parts.get("username") or "", parts.get("password") or ""
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
    return f"redis+socket://{login}{quote(parts['path'])}?virtual_host={parts.get('db', 0)}"


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
