"""An open page, as far as the stream is concerned: reads server-sent events as a browser does."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.api.house import wait_until


@dataclass
class Page:
    """`events` are (kind, data) in their order; `last_id` is what a browser would send when it connects again."""

    events: list[tuple[str, Any]] = field(default_factory=list)
    ids: list[int | None] = field(default_factory=list)
    last_id: str | None = None
    is_over: bool = False

    def of_kind(self, kind: str) -> list[Any]:
        return [data for name, data in self.events if name == kind]

    def wait_for(self, kind: str, that: Callable[[Any], bool] = lambda _: True, *, seconds: float = 10) -> Any:
        wait_until(lambda: any(that(data) for data in self.of_kind(kind)), what=f"{kind} events", seconds=seconds)
        return next(data for data in self.of_kind(kind) if that(data))

    def take(self, lines: Iterator[str]) -> None:
        """Reads to the end of the stream."""
        kind, data = "message", ""
        number: int | None = None
        for line in lines:
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                data = value
            elif name == "id":
                number = int(value)
            elif line == "" and data:
                self.ids.append(number)
                self.events.append((kind, json.loads(data)))
                self.last_id = str(number) if number is not None else self.last_id
                kind, data, number = "message", "", None


@contextmanager
def open_page(url: str, *, last_id: str | bytes | None = None, **query: Any) -> Iterator[Page]:
    """A page that listens beside the test until the block ends."""
    page = Page()
    sent = last_id.encode() if isinstance(last_id, str) else last_id
    headers = {b"Last-Event-ID": sent} if sent is not None else {}
    client = httpx.Client(timeout=httpx.Timeout(10, read=None))
    request = client.build_request("GET", f"{url}/api/v1/live", params=query, headers=headers)
    answer = client.send(request, stream=True)
    assert answer.status_code == 200, answer.read()

    def listen() -> None:
        with contextlib.suppress(httpx.HTTPError, httpx.StreamError, OSError):
            page.take(answer.iter_lines())
        page.is_over = True

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield page
    finally:
        # Closing alone does not wake a reader; ending the socket does.
        stream = answer.extensions["network_stream"].get_extra_info("socket")
        with contextlib.suppress(OSError):  # the service has ended it already
            stream.shutdown(2)
        thread.join(5)
        client.close()
