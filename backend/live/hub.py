"""One reader for all open pages: it reads once what changed, and hands it to each of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta

from anyio import CapacityLimiter, to_thread
from sqlalchemy.exc import SQLAlchemyError

from backend.db.changes import current_change
from backend.db.clock import service_now
from backend.db.session import Database
from backend.live.client import Client
from backend.live.events import Batch, is_known, read_changes
from backend.live.wakes import Wakes

BEAT_SECONDS = 5.0
#: How long a change can go unseen of which nobody told.
LOOK_SECONDS = 1.0
LOOK_WITHOUT_REDIS_SECONDS = 0.25
#: Changes that come faster are read together.
SHORTEST_PAUSE_SECONDS = 0.03
RETRY_SECONDS = 1.0
#: A thread that reads SQL cannot be broken off.
CLOSING_SECONDS = 2.0

log = logging.getLogger(__name__)


class LiveHub:
    """Lives in the event loop; SQL is read in threads. Only `wake` may be called from elsewhere."""

    def __init__(self, database: Database, redis_url: str) -> None:
        self._database = database
        self._wakes = Wakes(redis_url, self._see)
        self._clients: set[Client] = set()
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []
        #: The number up to which all joined clients have been told; None while there are none.
        self._told: int | None = None
        self._is_reading = True
        #: By how much the clock of the service is ahead of this machine's.
        self._clock_ahead = timedelta()
        # Not from the pool of the requests, which may all be waiting for the database.
        self._one_thread = CapacityLimiter(1)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        work = (self._read_forever(), self._beat_forever(), self._wakes.listen())
        self._tasks = [self._loop.create_task(one) for one in work]

    async def close(self) -> None:
        self.close_streams()
        end = time.monotonic() + CLOSING_SECONDS
        unfinished = set(self._tasks)
        # Again and again: redis-py loses a cancellation that comes while it connects.
        while unfinished and time.monotonic() < end:
            for task in unfinished:
                task.cancel()
            _, unfinished = await asyncio.wait(unfinished, timeout=0.1)
        self._loop = None

    def close_streams(self) -> None:
        """Ends all open streams, which would otherwise hold up a shutdown."""
        for client in self._clients:
            client.close()

    def wake(self) -> None:
        """Says that something was committed. May be called from any thread."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closing
                loop.call_soon_threadsafe(self._see)

    async def stream(self, *, since: int | None, is_lost: bool, runs: Iterable[str] | None) -> AsyncIterator[str]:
        """What a page that has seen change `since` missed, and then what comes. `is_lost` where the page named a
        number that is none; without a number it begins with the present. Without `runs` it is told of all."""
        client = Client(since=since, is_lost=is_lost, runs=None if runs is None else frozenset(runs))
        self._clients.add(client)
        self._see()
        try:
            async for text in client.texts():
                yield text
        finally:
            self._clients.discard(client)

    def _see(self) -> None:
        self._changed.set()

    async def _read_forever(self) -> None:
        while True:
            patience = LOOK_SECONDS if self._wakes.is_heard else LOOK_WITHOUT_REDIS_SECONDS
            # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._changed.wait()
            self._changed.clear()
            try:
                await self._read_once()
                self._is_reading = True
            except SQLAlchemyError as error:
                if self._is_reading:
                    log.warning("changes cannot be read, trying again: %s", error)
                self._is_reading = False
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:  # the edge of a task: pages must not stand still for one change that cannot be told
                log.exception("changes could not be told; all pages load their view anew")
                self._reset_all()
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(SHORTEST_PAUSE_SECONDS)

    async def _read_once(self) -> None:
        joining = [client for client in self._clients if not client.is_joined]
        joined = [client for client in self._clients if client.is_joined]
        if not joined:
            self._told = None
        if not self._clients:
            return
        asked = {client.since for client in joining if client.since is not None and not client.is_lost}
        news, missed = await to_thread.run_sync(self._read, self._told, asked, limiter=self._one_thread)
        self._told = news.through
        for client in joined:
            client.tell(news)
        for client in joining:
            self._join(client, missed, now_at=news.through)

    def _read(self, told: int | None, asked: set[int]) -> tuple[Batch, dict[int, Batch]]:
        """What is new, and what clients missed that join with a number; in one view of the database."""
        with self._database.read() as session:
            self._clock_ahead = service_now(session) - datetime.now(UTC)
            through = current_change(session)
            news = read_changes(session, after=told if told is not None else through, through=through)
            known = [since for since in asked if is_known(session, since)]
            return news, {since: read_changes(session, after=since, through=through) for since in known}

    def _join(self, client: Client, missed: dict[int, Batch], *, now_at: int) -> None:
        client.is_joined = True
        if client.is_lost or (client.since is not None and client.since not in missed):
            client.reset(now_at)
        elif client.since is not None:
            client.tell(missed[client.since])
        # A beat comes after everything up to its number: whoever hears it knows how far it is.
        client.put(self._beat_text(now_at))

    def _reset_all(self) -> None:
        self._told = None
        for client in self._clients:
            client.is_lost = True
            client.is_joined = False
        self._see()

    async def _beat_forever(self) -> None:
        """Nothing is said while the database is away, so that pages see the age of what they show."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            if self._told is None or not self._is_reading:
                continue
            text = self._beat_text(self._told)
            for client in self._clients:
                if client.is_joined:
                    client.put(text)

    def _beat_text(self, change: int) -> str:
        now = (datetime.now(UTC) + self._clock_ahead).isoformat().replace("+00:00", "Z")
        return f'event: beat\ndata: {{"change":{change},"time":"{now}"}}\n\n'
