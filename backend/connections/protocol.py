"""One connection of the API, which knows at whose other end it is."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from backend.connections.kernel import Lookup
from backend.connections.peer import peer_of

#: Where a request's scope has the `Peer`, below "state".
PEER = "peer"


class PeerProtocol(H11Protocol):
    """uvicorn's protocol; each request's scope carries the peer, who stays the same as long as the connection."""

    def __init__(self, *arguments: Any, lookup: Lookup | None, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._lookup = lookup

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = peer_of(transport.get_extra_info("socket"), self._lookup)
        self.app_state = {**self.app_state, PEER: self.peer}
