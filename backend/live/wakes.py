"""Hears through Redis that something changed in SQL."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from worker.contract import names

RETRY_SECONDS = 1.0
_PATIENCE_SECONDS = 10.0

log = logging.getLogger(__name__)


class Wakes:
    """`is_heard` while Redis tells of changes; without it the reader has to look more often."""

    def __init__(self, redis_url: str, on_wake: Callable[[], None]) -> None:
        self._redis_url = redis_url
        self._on_wake = on_wake
        self.is_heard = False

    async def listen(self) -> None:
        """Until cancelled; a Redis that is away is waited for."""
        # No retries of its own: the sooner we know that Redis is away, the sooner we look more often.
        client = redis.asyncio.Redis.from_url(
            self._redis_url, socket_connect_timeout=2.0, health_check_interval=5, retry=Retry(NoBackoff(), 0)
        )
        try:
            while True:
                try:
                    await self._hear(client)
                except (RedisError, OSError) as error:
                    if self.is_heard:
                        log.warning("Redis is away, looking for changes more often: %s", error)
                    self.is_heard = False
                await asyncio.sleep(RETRY_SECONDS)
        finally:
            await client.aclose()

    async def _hear(self, client: redis.asyncio.Redis) -> None:
        async with client.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(names.WAKE_CHANNEL)
            self.is_heard = True
            while True:
                # The timeout makes it notice, by the health check of the connection, that nobody is there any more.
                if await subscription.get_message(timeout=_PATIENCE_SECONDS) is not None:
                    self._on_wake()
