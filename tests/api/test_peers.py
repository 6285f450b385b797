"""Whose connection it is, as the kernel tells: real sockets, and the tables by which it is asked."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backend.connections import kernel
from backend.connections.kernel import Endpoint, Lookup, Owner, by_sock_diag, by_tables, find_lookup, uid_of
from backend.connections.peer import peer_of
from tests.support.accounts import SOMEBODY, connect, needs_superuser

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a TCP connection is")

both = pytest.mark.parametrize("lookup", [by_sock_diag, by_tables])


@contextmanager
def listening(family: socket.AddressFamily = socket.AF_INET, address: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.socket(family) as listener:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((address, 0))
        listener.listen()
        yield listener


@contextmanager
def connected(
    listener: socket.socket, to: str = "127.0.0.1", family: socket.AddressFamily = socket.AF_INET
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """The client's end and the server's."""
    with socket.socket(family) as client:
        client.connect((to, listener.getsockname()[1]))
        accepted, _ = listener.accept()
        with accepted:
            yield client, accepted


def reset(client: socket.socket) -> None:
    """Ends it so that its port is free at once."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_the_kernel_can_be_asked_here() -> None:
    assert find_lookup() in (by_sock_diag, by_tables)


@both
class TestOurs:
    def test_a_connection_of_this_process_is_ours(self, lookup: Lookup) -> None:
        with listening() as listener, connected(listener) as (_, accepted):
            peer = peer_of(accepted, lookup)
            assert (peer.address, peer.uid, peer.is_owner) == ("127.0.0.1", os.geteuid(), True)

    def test_over_ipv6(self, lookup: Lookup) -> None:
        family = socket.AF_INET6
        with listening(family, "::1") as listener, connected(listener, "::1", family) as (_, accepted):
            assert peer_of(accepted, lookup).is_owner

    @pytest.mark.parametrize(("family", "to"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")])
    def test_over_ipv4_to_a_socket_of_both(self, lookup: Lookup, family: socket.AddressFamily, to: str) -> None:
        with listening(socket.AF_INET6, "::") as listener, connected(listener, to, family) as (_, accepted):
            peer = peer_of(accepted, lookup)
            assert (peer.address, peer.is_owner) == ("127.0.0.1", True)

    def test_through_another_loopback_address(self, lookup: Lookup) -> None:
        with listening(address="0.0.0.0") as listener, connected(listener, "127.8.8.8") as (_, accepted):
            assert peer_of(accepted, lookup).is_owner

    def test_whoever_has_only_finished_sending_is_still_told(self, lookup: Lookup) -> None:
        with listening() as listener, connected(listener) as (client, accepted):
            client.shutdown(socket.SHUT_WR)
            assert accepted.recv(1) == b""
            assert peer_of(accepted, lookup).is_owner


@both
class TestNobodys:
    """A socket that its process has left is shown with the superuser's number."""

    def test_a_peer_that_has_closed_is_nobody(self, lookup: Lookup) -> None:
        with listening() as listener, connected(listener) as (client, accepted):
            ends = Endpoint.of(accepted.getpeername()), Endpoint.of(accepted.getsockname())
            client.close()
            assert accepted.recv(1) == b""
            assert peer_of(accepted, lookup).uid is None
            accepted.close()
            assert uid_of(lookup, *ends) is None

    def test_a_peer_that_was_reset_is_nobody(self, lookup: Lookup) -> None:
        with listening() as listener, connected(listener) as (client, accepted):
            reset(client)
            assert peer_of(accepted, lookup).uid is None

    def test_who_only_listens_at_the_port_is_not_taken_for_the_peer(self, lookup: Lookup) -> None:
        with listening() as listener:
            listens_at = Endpoint.of(listener.getsockname())
            assert uid_of(lookup, listens_at, Endpoint(listens_at.address, 9)) is None

    def test_a_port_that_changes_hands_while_it_is_looked_up_is_nobodys(self, lookup: Lookup) -> None:
        """The former holder's request can still be read from the connection that it left."""
        with listening() as listener, connected(listener) as (client, accepted):
            port = client.getsockname()[1]
            client.sendall(b"a request of the former holder")
            later: list[socket.socket] = []

            def meanwhile(own: Endpoint, other: Endpoint) -> Owner | None:
                reset(client)
                later.append(socket.create_connection(listener.getsockname(), source_address=("127.0.0.1", port)))
                return lookup(own, other)

            assert peer_of(accepted, meanwhile).uid is None
            assert later[0].getsockname()[1] == port
            later[0].close()
            listener.accept()[0].close()


@both
def test_the_number_that_stands_for_all_unknown_accounts_is_nobody(
    lookup: Lookup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user namespace shows 65534 for every account that it has no number for, and a service may run as that one."""
    (tmp_path / "overflowuid").write_text(f"{os.geteuid()}\n")
    monkeypatch.setattr(kernel, "_OVERFLOW_UID", tmp_path / "overflowuid")
    with listening() as listener, connected(listener) as (_, accepted):
        assert peer_of(accepted, lookup).uid is None


def test_where_the_kernel_refuses_to_answer_nobody_is_known() -> None:
    def refusing(_own: Endpoint, _other: Endpoint) -> Owner | None:
        raise PermissionError

    with listening() as listener, connected(listener) as (_, accepted):
        assert peer_of(accepted, refusing).uid is None
        assert peer_of(accepted, None).uid is None


def test_a_unix_socket_is_nobodys() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_of(ours, by_sock_diag).uid is None


@both
@needs_superuser
def test_another_account_is_told_by_its_number(lookup: Lookup) -> None:
    with listening() as listener, connect(listener.getsockname()[1], uid=SOMEBODY):
        accepted, _ = listener.accept()
        with accepted:
            peer = peer_of(accepted, lookup)
            assert (peer.uid, peer.is_owner) == (SOMEBODY, False)
