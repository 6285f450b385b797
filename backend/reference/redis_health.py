"""Is Redis there, and does it take writes? Only a write tells."""

from __future__ import annotations

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from backend.doorbell import Refusal, refusal_of
from backend.reference.findings import Finding, error, warning
from worker.contract.names import HEALTH_KEY

PATIENCE_SECONDS = 1.0
_STILL = (
    "Workers cannot be heard meanwhile and no run starts; what trains goes on, pause and stop reach it, and its worker "
    "keeps what it has to say."
)


def look_at(url: str) -> list[Finding]:
    """Nothing where all is well."""
    client = redis.Redis.from_url(
        url,
        socket_timeout=PATIENCE_SECONDS,
        socket_connect_timeout=PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        encoding_errors="replace",
    )
    try:
        client.set(HEALTH_KEY, "", ex=60)
        return _eviction(client)
    except redis.RedisError as refusal:
        return [_trouble(client, refusal)]
    finally:
        client.close()


def _trouble(client: redis.Redis, refusal: redis.RedisError) -> Finding:
    said = str(refusal).partition("\n")[0] or type(refusal).__name__
    kind = refusal_of(refusal)
    if kind is None:
        return error("redis_away", "Redis is away: runs wait", f"Redis does not answer: {said}. What trains goes on.")
    if kind is Refusal.FULL:
        return error("redis_full", "Redis is full: runs wait", f"Redis {_use_of_memory(client)}. {_STILL}")
    if kind is Refusal.DISK:
        detail = f"Redis cannot write to its disk and takes no writes: {said}. Make room there. {_STILL}"
        return error("redis_disk", "Redis cannot write to its disk", detail)
    detail = f"Redis takes no writes: {said}. Name a server that does in RESDROP_REDIS_URL. {_STILL}"
    return error("redis_read_only", "Redis takes no writes", detail)


def _use_of_memory(client: redis.Redis) -> str:
    """The remedy lies outside: what is ours is read and deleted as it comes."""
    try:
        memory = client.info("memory")
    except redis.RedisError:
        return "is full and takes no writes: raise its maxmemory, or remove what others keep there"
    used, limit = float(memory["used_memory"]), float(memory["maxmemory"])
    return (
        f"is full: it uses {used / 1e6:.1f} MB of at most {limit / 1e6:.1f} MB (maxmemory) and takes no writes. "
        "Raise maxmemory, or remove what others keep there"
    )


def _eviction(client: redis.Redis) -> list[Finding]:
    """A Redis that throws away what it has when it is full would throw away messages."""
    try:
        memory = client.info("memory")
    except redis.RedisError:
        return []
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if not int(memory.get("maxmemory", 0)) or policy == "noeviction":
        return []
    detail = (
        f"Redis may throw away keys of ResDrop when it is full: its maxmemory-policy is {policy}. What it throws away "
        "is told again, which takes seconds each time; set the policy to noeviction"
    )
    return [warning("redis_evicts", "Redis may throw keys away", detail)]
