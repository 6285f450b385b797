"""One open stream, as text of the event-stream format."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from backend.live.events import Batch, Event

#: Characters that may wait for a page which takes them slowly; beyond it has to load its view anew.
MOST_WAITING = 4_000_000
#: Milliseconds after which a browser connects again.
_RETRY = "retry: 1000\n\n"


class Client:
    """Belongs to the event loop. It is joined once it has been told what it missed."""

    def __init__(self, *, since: int | None, is_lost: bool, runs: frozenset[str] | None) -> None:
        self.since = since
        self.is_lost = is_lost
        self.is_joined = False
        self._runs = runs
        self._is_closed = False
        self._waiting: deque[str] = deque()
        self._size = 0
        self._told = since
        self._has_some = asyncio.Event()

    async def texts(self) -> AsyncIterator[str]:
        """Until `close`, then what still waits."""
        yield _RETRY
        while True:
            await self._has_some.wait()
            self._has_some.clear()
            while self._waiting:
                text = self._waiting.popleft()
                self._size -= len(text)
                yield text
            if self._is_closed:
                return

    def tell(self, batch: Batch) -> None:
        events = [event for event in batch.events if self._is_for_us(event)]
        self._told = batch.through
        if events:
            self.put("".join(_texts(events)))

    def _is_for_us(self, event: Event) -> bool:
        return event.only_for is None or self._runs is None or event.only_for in self._runs

    def reset(self, number: int) -> None:
        """The page is to load its view anew; the stream goes on after `number`."""
        self._told = number
        self.put(_reset_text(number))

    def put(self, text: str) -> None:
        if self._is_closed:
            return
        self._waiting.append(text)
        self._size += len(text)
        if self._size > MOST_WAITING:
            self._give_up()
        self._has_some.set()

    def close(self) -> None:
        self._is_closed = True
        self._has_some.set()

    def _give_up(self) -> None:
        self._waiting.clear()
        self._waiting.append(_reset_text(self._told or 0))
        self._size = len(self._waiting[0])
        self.close()


def _reset_text(number: int) -> str:
    return f"event: reset\ndata: {{}}\nid: {number}\n\n"


def _texts(events: list[Event]) -> list[str]:
    """Only the last event of a number carries it as id: whoever breaks off in between is told all of it again."""
    following = [event.number for event in events[1:]] + [None]
    return [
        f"event: {event.kind}\ndata: {event.data}\n" + (f"id: {event.number}\n\n" if number != event.number else "\n")
        for event, number in zip(events, following, strict=True)
    ]
