"""The worker's connection to Redis, which may be away at any time."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

SOCKET_TIMEOUT_SECONDS = 15


def connect(url: str) -> redis.Redis:
    """A thread-safe client that connects at its first command.

    It tries a command a second time at once, which mends a connection that broke while idle; waiting for a Redis
    that is away is left to the caller, who has other things to look after meanwhile. What is no UTF-8 is read as far as
    it is some, so that nothing in Redis can end who reads it.
    """
    of_tcp = {} if url.startswith("unix:") else {"socket_keepalive": True, "socket_connect_timeout": 5}
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        encoding_errors="replace",
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 1),
        **of_tcp,
    )


def celery_url(url: str) -> str:
    """The same address as Celery's transport spells it.

    The password stands before the path even for a socket: kombu passes over one that is given in the query.
    """
    if not url.startswith("unix:"):
        return url
    parts: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    who = quote(parts.get("username") or "", safe="") + ":" + quote(parts.get("password") or "", safe="")
    login = f"{who}@" if who != ":" else ""
    return f"redis+socket://{login}{quote(parts['path'])}?virtual_host={parts.get('db', 0)}"
