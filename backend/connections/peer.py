"""Who is at the other end of a connection, as far as the kernel tells."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

from backend.connections.kernel import Endpoint, Lookup, uid_of

#: The first byte of struct tcp_info: established, or established with a peer that has finished sending.
_STILL_CONNECTED = frozenset({1, 8})


#: Where a request's scope has the `Peer`, below "state".
PEER = "peer"


class Connected(Protocol):
    """A TCP socket, or what asyncio shows of one."""

    def getpeername(self) -> Any: ...
    def getsockname(self) -> Any: ...
    def getsockopt(self, level: int, name: int, size: int, /) -> bytes: ...


@dataclass
class Peer:
    """`uid` is the account of this machine that made the connection, where the kernel knows it."""

    address: str
    uid: int | None = None
    #: Of this machine; whose it is the kernel does not always tell (a socket that is bound to an interface).
    is_local: bool = False
    #: The owner, or whoever has shown the token.
    is_known: bool = False

    @property
    def origin(self) -> str:
        """Whose connections are counted together: an account's, or a network's that one machine may have whole."""
        if self.uid is not None:
            return f"account {self.uid}"
        if self.is_local:
            return "an account of this machine"
        if ":" in self.address:
            return str(ipaddress.ip_network((self.address, 64), strict=False))
        return self.address

    @property
    def is_owner(self) -> bool:
        """Is it the very account that runs the service? The superuser is another one, and can read the token."""
        return self.uid is not None and self.uid == os.geteuid()


def peer_of_scope(scope: MutableMapping[str, Any]) -> Peer:
    """Of a request. Where the server tells of none, a stranger."""
    found = scope.setdefault("state", {}).setdefault(PEER, Peer(address=""))
    assert isinstance(found, Peer)
    return found


def peer_of(connection: Connected, lookup: Lookup | None) -> Peer:
    try:
        other, own = Endpoint.of(connection.getpeername()), Endpoint.of(connection.getsockname())
    except (OSError, ValueError, IndexError):  # it is gone already, or not TCP
        return Peer(address="")
    # A peer on this machine has a loopback address, or the very one that it speaks to.
    peer = Peer(address=str(other.address), is_local=other.address.is_loopback or other.address == own.address)
    if lookup is not None and peer.is_local:
        peer.uid = _uid(connection, lookup, other, own)
    return peer


def _uid(connection: Connected, lookup: Lookup, other: Endpoint, own: Endpoint) -> int | None:
    """Read before the connection is looked at once more: while it stands, its two ports belong to nobody else.

    What a peer sent before it was gone can still be read, and its port could be another account's by then.
    """
    try:
        uid = uid_of(lookup, other, own)
        return uid if _is_connected(connection) else None
    except OSError:
        return None


def _is_connected(connection: Connected) -> bool:
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in _STILL_CONNECTED
