"""Asking the kernel which account of this machine made a TCP connection.

Linux tells it of every socket, through sock_diag(7) or, where a container forbids that, in /proc/net/tcp. The answer
is of this process's own network and user namespaces: a peer in another one is simply not found.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, NamedTuple

#: Both ends talk: established, and the two states of an end that has finished sending but still reads (tcp_states.h).
_TALKING = frozenset({1, 4, 5})
#: What the kernel shows in place of an account that this user namespace has no number for.
_OVERFLOW_UID = Path("/proc/sys/kernel/overflowuid")


class Endpoint(NamedTuple):
    address: IPv4Address | IPv6Address
    port: int

    @classmethod
    def of(cls, name: tuple[Any, ...]) -> Endpoint:
        """From what getsockname(2) or getpeername(2) gave; IPv4 that came through an IPv6 socket is IPv4."""
        return cls(_unmapped(ipaddress.ip_address(str(name[0]).partition("%")[0])), int(name[1]))


class Owner(NamedTuple):
    """What the kernel says of one socket."""

    state: int
    uid: int
    inode: int


#: Looks for the socket whose own end is the first and whose other end is the second.
Lookup = Callable[[Endpoint, Endpoint], Owner | None]


def find_lookup() -> Lookup | None:
    """A way to ask that works here, tried with a connection of our own; None where there is none."""
    if sys.platform != "linux":
        return None
    return next((lookup for lookup in (by_sock_diag, by_tables) if _knows_us(lookup)), None)


def uid_of(lookup: Lookup, own: Endpoint, other: Endpoint) -> int | None:
    """The account that holds the socket, or None. Raises OSError where the kernel cannot be asked."""
    owner = lookup(own, other)
    # A socket that nobody holds any more (inode 0) is shown with the superuser's number, whoever made it.
    if owner is None or owner.state not in _TALKING or owner.inode == 0 or owner.uid == _overflow_uid():
        return None
    return owner.uid


def by_sock_diag(own: Endpoint, other: Endpoint) -> Owner | None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(1)  # it answers at once; nothing may keep the event loop
        netlink.send(_question(own, other))
        return _parsed(netlink.recv(8192), own, other)


# struct nlmsghdr, inet_diag_req_v2, inet_diag_sockid and inet_diag_msg of <linux/netlink.h> and <linux/inet_diag.h>.
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _REQUEST = 4, 20, 1
_HEADER, _FILTER, _PORTS = struct.Struct("=IHHII"), struct.Struct("=BBBBI"), struct.Struct(">HH")
_STATE, _COUNTS = struct.Struct("=BBBB"), struct.Struct("=IIIII")
_ANY_INTERFACE, _ANY_COOKIE, _ALL_STATES = b"\0" * 4, b"\xff" * 8, 0xFFFFFFFF
_ADDRESS_BYTES = 16
_ID_BYTES = _PORTS.size + 2 * _ADDRESS_BYTES + len(_ANY_INTERFACE) + len(_ANY_COOKIE)


def _question(own: Endpoint, other: Endpoint) -> bytes:
    family = socket.AF_INET if own.address.version == 4 else socket.AF_INET6
    addresses = b"".join(end.address.packed.ljust(_ADDRESS_BYTES, b"\0") for end in (own, other))
    identity = _PORTS.pack(own.port, other.port) + addresses + _ANY_INTERFACE + _ANY_COOKIE
    content = _FILTER.pack(family, socket.IPPROTO_TCP, 0, 0, _ALL_STATES) + identity
    return _HEADER.pack(_HEADER.size + len(content), _SOCK_DIAG_BY_FAMILY, _REQUEST, 1, 0) + content


def _parsed(message: bytes, own: Endpoint, other: Endpoint) -> Owner | None:
    _, kind, _, _, _ = _HEADER.unpack_from(message)
    if kind != _SOCK_DIAG_BY_FAMILY:  # an error: there is no such socket
        return None
    place = _HEADER.size
    family, state, _, _ = _STATE.unpack_from(message, place)
    place += _STATE.size
    # Without a connection between the two ends the kernel answers with whoever listens at the first.
    if _ends(message[place : place + _ID_BYTES], family) != (own, other):
        return None
    _, _, _, uid, inode = _COUNTS.unpack_from(message, place + _ID_BYTES)
    return Owner(state, uid, inode)


def _ends(identity: bytes, family: int) -> tuple[Endpoint, Endpoint]:
    ports = _PORTS.unpack_from(identity)
    length = 4 if family == socket.AF_INET else _ADDRESS_BYTES
    starts = (_PORTS.size, _PORTS.size + _ADDRESS_BYTES)
    first, second = (ipaddress.ip_address(identity[start : start + length]) for start in starts)
    return Endpoint(_unmapped(first), ports[0]), Endpoint(_unmapped(second), ports[1])


def by_tables(own: Endpoint, other: Endpoint) -> Owner | None:
    """proc(5): the lines are `sl local_address rem_address st queues timer retransmits uid timeout inode ...`."""
    # An IPv6 socket that speaks IPv4 stands in the table of IPv6, under mapped addresses.
    tables = ["tcp", "tcp6"] if own.address.version == 4 else ["tcp6"]
    for table in tables:
        ends = [_as_printed(end, mapped=table == "tcp6") for end in (own, other)]
        for line in _lines(Path("/proc/net") / table):
            if line[1:3] == ends:
                return Owner(state=int(line[3], 16), uid=int(line[7]), inode=int(line[9]))
    return None


def _lines(table: Path) -> Iterable[list[str]]:
    try:
        text = table.read_text()
    except FileNotFoundError:  # a kernel without IPv6
        return []
    return (line.split() for line in text.splitlines()[1:])


def _as_printed(end: Endpoint, *, mapped: bool) -> str:
    packed = end.address.packed
    if mapped and len(packed) == 4:
        packed = b"\0" * 10 + b"\xff\xff" + packed
    words = (packed[start : start + 4] for start in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words) + f":{end.port:04X}"


def _knows_us(lookup: Lookup) -> bool:
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(1)
            with socket.create_connection(listener.getsockname(), timeout=1) as ours:
                ends = Endpoint.of(ours.getsockname()), Endpoint.of(ours.getpeername())
                return uid_of(lookup, *ends) == os.geteuid()
    except (OSError, struct.error, ValueError, IndexError):
        return False


def _overflow_uid() -> int:
    try:
        return int(_OVERFLOW_UID.read_text())
    except (OSError, ValueError):
        return 65534


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return getattr(address, "ipv4_mapped", None) or address
