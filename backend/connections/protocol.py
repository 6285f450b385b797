"""One connection of the API: it knows its peer, and waits for it only so long."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import socket
import struct
import sys
import termios
import time
from enum import Enum, auto
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from backend.connections.admission import Admission
from backend.connections.kernel import Lookup
from backend.connections.peer import PEER, Peer, peer_of

#: What all lines of a request's head may hold together, and how many there may be.
MOST_HEADER_BYTES, MOST_HEADERS = 32_768, 100
#: For the end of an answer to be taken, once there will be no other.
_LINGER_SECONDS = 5.0


class Phase(Enum):
    """What is waited for."""

    HEADERS = auto()
    BODY = auto()
    ANSWER = auto()
    READER = auto()
    NEXT_REQUEST = auto()
    END = auto()


class BoundedHeaders(h11.Connection):
    """h11 bounds a head that comes in pieces; here also one that is there at once, and the number of its lines."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, MOST_HEADER_BYTES)
        self.is_too_large = False

    def next_event(self) -> Any:
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            self.is_too_large = error.error_status_hint == 431
            raise
        if isinstance(event, h11.Request) and not _is_moderate(event):
            self.is_too_large = True
            raise h11.RemoteProtocolError("the head is too large", error_status_hint=431)
        return event


def _is_moderate(request: h11.Request) -> bool:
    size = len(request.target) + sum(len(name) + len(value) for name, value in request.headers)
    return size <= MOST_HEADER_BYTES and len(request.headers) <= MOST_HEADERS


class GuardedProtocol(H11Protocol):
    """uvicorn's protocol; each request's scope carries the peer, who stays the same as long as the connection."""

    def __init__(self, *arguments: Any, admission: Admission, lookup: Lookup | None, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.conn: BoundedHeaders = BoundedHeaders()
        self._admission = admission
        self._limits = admission.limits
        self._lookup = lookup
        self.peer = Peer(address="")
        self._requests = 0
        self._waited_for: tuple[Phase, int, int] = (Phase.HEADERS, 0, 0)
        self._since = time.monotonic()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = peer_of(transport.get_extra_info("socket"), self._lookup)
        # What comes through a proxy of the owner's is the owner's affair, as far as the number of connections goes.
        self.peer.is_known = self.peer.is_owner
        self.app_state = {**self.app_state, PEER: self.peer}
        if not self._admission.admit(self):
            transport.write(_response(503, "There are too many connections; try again in a few seconds."))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._admission.leave(self)
        # What uvicorn forgets where the connection was broken off.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():
            super().data_received(data)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        self._requests += self.cycle is not before

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # uvicorn's own deadline would also end the next request, once it has begun.
        self._unset_keepalive_if_required()

    def send_400_response(self, msg: str) -> None:
        if self._has_begun_to_answer():
            self.drop()
        elif self.conn.is_too_large:
            detail = f"The head of the request is too large; send {MOST_HEADERS} lines and {MOST_HEADER_BYTES:,} bytes."
            self._refuse(431, detail)
        else:
            self._refuse(400, msg)

    @property
    def awaits_peer(self) -> bool:
        return self._phase() is not Phase.ANSWER

    def drop(self) -> None:
        """The system would go on to offer the peer what is not taken yet; a reset takes that back."""
        with contextlib.suppress(OSError):
            now = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
        self.transport.abort()

    def keep_deadline(self, now: float) -> None:
        phase = self._phase()
        waited_for = (phase, self._requests, self._untaken() if phase in (Phase.READER, Phase.END) else 0)
        if waited_for != self._waited_for:
            self._waited_for, self._since = waited_for, now
        elif now - self._since > self._patience(phase):
            self._lose_patience(phase)

    def _phase(self) -> Phase:
        if self.transport.is_closing():
            return Phase.END
        if self.flow.write_paused:
            return Phase.READER
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if self.conn.their_state is h11.SEND_BODY:
            # Whoever has its answer and goes on sending is only given the time to read it.
            return Phase.BODY if is_answering else Phase.END
        if is_answering:
            return Phase.ANSWER
        is_new = self.cycle is None or bool(self.conn.trailing_data[0])
        return Phase.HEADERS if is_new else Phase.NEXT_REQUEST

    def _patience(self, phase: Phase) -> float:
        return {
            Phase.HEADERS: self._limits.header_seconds,
            Phase.BODY: self._limits.body_seconds,
            Phase.ANSWER: float("inf"),
            Phase.READER: self._limits.reader_seconds,
            Phase.NEXT_REQUEST: self._limits.idle_seconds,
            Phase.END: min(_LINGER_SECONDS, self._limits.reader_seconds),
        }[phase]

    def _lose_patience(self, phase: Phase) -> None:
        if phase is Phase.NEXT_REQUEST:
            self.transport.close()
        elif phase in (Phase.HEADERS, Phase.BODY) and not self._has_begun_to_answer():
            took = f"{self._patience(phase):g} s"
            self._refuse(408, f"The request did not arrive within {took}; send it whole, or raise the limit.")
        else:
            self.drop()

    def _untaken(self) -> int:
        """Bytes that the peer has yet to take of the system, whose buffers are too large to tell by their filling."""
        try:
            asked = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError:
            return 0
        return int.from_bytes(asked, sys.byteorder)

    def _has_begun_to_answer(self) -> bool:
        return self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE)

    def _refuse(self, status: int, detail: str) -> None:
        """In place of the app, which is told that the peer has gone."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(_response(status, detail))
        self.transport.close()


def _response(status: int, detail: str) -> bytes:
    titles = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}
    title = titles.get(status, "Service Unavailable")
    body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail}).encode()
    head = f"HTTP/1.1 {status} {title}\r\nContent-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Retry-After: 5\r\nConnection: close\r\n\r\n".encode() + body
