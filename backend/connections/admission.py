"""Which connections are kept, and which have to go.

Those of strangers and those of people who are let in have room of their own, so that nobody's can shut out the
others'. Where there are too many of a kind, the oldest goes whose peer is only expected to send something: whoever
really asks for something is done before it comes to that.
"""

from __future__ import annotations

from typing import Protocol

from backend.connections.limits import ConnectionLimits
from backend.connections.peer import Peer


class Connection(Protocol):
    peer: Peer

    @property
    def awaits_peer(self) -> bool:
        """Is it the peer's turn to send?"""

    def drop(self) -> None:
        """Ends it at once."""


class Admission:
    """All open connections, the oldest first. Belongs to the event loop."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._all: dict[Connection, None] = {}

    def admit(self, connection: Connection) -> bool:
        """Keeps a new connection, at the cost of an older one if need be; False where there is no room for it."""
        peer = connection.peer
        if peer.is_known:
            known = [other for other in self._all if other.peer.is_known]
            has_room = len(known) < self.limits.most_known or self._ends_one_of(known)
        else:
            has_room = self._has_room_for_stranger(peer)
        if has_room:
            self._all[connection] = None
        return has_room

    def leave(self, connection: Connection) -> None:
        self._all.pop(connection, None)

    def _has_room_for_stranger(self, peer: Peer) -> bool:
        strangers = [other for other in self._all if not other.peer.is_known]
        of_one = [other for other in strangers if other.peer.origin == peer.origin]
        if len(of_one) >= self.limits.most_of_one_stranger:
            return self._ends_one_of(of_one)
        if len(strangers) >= self.limits.most_of_strangers:
            return self._ends_one_of(strangers)
        return True

    def _ends_one_of(self, connections: list[Connection]) -> bool:
        waiting = next((connection for connection in connections if connection.awaits_peer), None)
        if waiting is None:
            return False
        self.leave(waiting)
        waiting.drop()
        return True
