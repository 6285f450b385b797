"""Peers that send half of something, send without end or never read: with real sockets against the real service."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from backend.connections.limits import ConnectionLimits
from tests.api.house import QUICK, TOKEN, House, wait_until
from tests.api.test_process import REPOSITORY, free_port
from tests.support.accounts import SOMEBODY, connect, needs_superuser

RUNS = "/api/v1/runs"
#: Deadlines that a test can wait for, and room for few.
QUICKLY = ConnectionLimits(
    header_seconds=1, body_seconds=1, idle_seconds=1, reader_seconds=1, most_of_one_stranger=4, most_of_strangers=8
)
#: The patience of a test with a service that ought to have ended a connection.
LONG = 60


@dataclass
class Served:
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def head(self, first: str = f"GET {RUNS} HTTP/1.1", *lines: str) -> bytes:
        return "\r\n".join([first, f"Host: 127.0.0.1:{self.port}", *lines, ""]).encode()

    def sends(self, content: bytes) -> socket.socket:
        connection = connect(self.port)
        connection.settimeout(LONG)
        connection.sendall(content)
        return connection


@pytest.fixture
def served(shared_house: House) -> Iterator[Served]:
    house = House(replace(shared_house.settings, limits=QUICKLY))
    with house.served() as url:
        yield Served(url)


def told(connection: socket.socket) -> str:
    """What came up to the end that the service made."""
    received = b""
    with connection, contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            received += part
    return received.decode()


def is_ended(connection: socket.socket) -> bool:
    """Without waiting."""
    connection.setblocking(False)
    try:
        return connection.recv(65536) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class TestDeadlines:
    @pytest.mark.parametrize("begun", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: 127", b"GET / HTTP/1.1\r\nHost: x\r\n"])
    def test_half_a_head_is_ended(self, served: Served, begun: bytes) -> None:
        answer = told(served.sends(begun))
        assert answer.startswith("HTTP/1.1 408 ")
        assert "did not arrive within 1 s" in json.loads(answer.partition("\r\n\r\n")[2])["detail"]

    def test_a_head_that_goes_on_drop_by_drop_is_ended(self, served: Served) -> None:
        connection = served.sends(served.head())
        wait_until(lambda: drips(connection, b"X-A: b\r\n"), what="the end of an endless head", seconds=LONG)
        connection.close()

    @pytest.mark.parametrize("header", ["Content-Length: 500", "Transfer-Encoding: chunked"])
    def test_half_a_body_is_ended(self, served: Served, header: str) -> None:
        head = served.head(f"POST {RUNS} HTTP/1.1", "Content-Type: application/json", header)
        assert told(served.sends(head + b"\r\n2\r\n{ ")).startswith("HTTP/1.1 408 ")

    @pytest.mark.parametrize(
        ("header", "drop"), [("Content-Length: 900000", b" "), ("Transfer-Encoding: chunked", b"1\r\n \r\n")]
    )
    def test_a_body_that_goes_on_drop_by_drop_is_ended(self, served: Served, header: str, drop: bytes) -> None:
        head = served.head(f"POST {RUNS} HTTP/1.1", "Content-Type: application/json", header)
        connection = served.sends(head + b"\r\n")
        wait_until(lambda: drips(connection, drop), what="the end of an endless body", seconds=LONG)
        connection.close()

    def test_a_body_that_goes_on_after_the_answer_is_ended(self, served: Served) -> None:
        """A stranger has its 401 before it has sent anything of the body."""
        lines = ("Content-Length: 900000", "X-Forwarded-For: 203.0.113.9")
        connection = served.sends(served.head(f"POST {RUNS} HTTP/1.1", *lines) + b"\r\n")
        assert connection.recv(12) == b"HTTP/1.1 401"
        wait_until(lambda: drips(connection, b" "), what="the end of a body nobody wants", seconds=LONG)
        connection.close()

    def test_a_connection_that_asks_for_nothing_more_is_ended(self, served: Served) -> None:
        assert told(served.sends(served.head() + b"\r\n")).startswith("HTTP/1.1 200 ")

    def test_half_a_second_request_is_ended(self, served: Served) -> None:
        answer = told(served.sends(served.head() + b"\r\n" + served.head()))
        assert answer.startswith("HTTP/1.1 200 ")
        assert "HTTP/1.1 408 " in answer

    def test_requests_that_come_in_time_go_on_for_as_long_as_they_like(self, served: Served) -> None:
        with httpx.Client(base_url=served.url) as client:
            end = time.monotonic() + 3 * QUICKLY.idle_seconds
            first = client.get(RUNS).extensions["network_stream"]
            while time.monotonic() < end:
                answer = client.get(RUNS)
                assert answer.status_code == 200
                time.sleep(0.05)
            assert answer.extensions["network_stream"] is first

    def test_a_stream_goes_on_while_nothing_happens(self, served: Served) -> None:
        with served.sends(served.head("GET /api/v1/live?since=0 HTTP/1.1") + b"\r\n") as connection:
            begun = connection.recv(12)
            assert begun == b"HTTP/1.1 200"
            time.sleep(3 * QUICKLY.idle_seconds)
            assert not is_ended(connection)

    def test_a_reader_that_takes_nothing_is_ended(self, shared_house: House) -> None:
        """A file that no buffer of the system's holds."""
        house = House(replace(shared_house.settings, limits=QUICKLY))
        with house.served() as url:
            served = Served(url)
            path = large_checkpoint(shared_house, megabytes=64)
            connection = served.sends(served.head(f"GET {path} HTTP/1.1") + b"\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"
            wait_until(lambda: is_reset(connection), what="the end of a download that nobody reads", seconds=LONG)
            connection.close()

    def test_a_reader_that_takes_its_time_gets_all(self, shared_house: House) -> None:
        house = House(replace(shared_house.settings, limits=QUICKLY))
        with house.served() as url:
            path = large_checkpoint(shared_house, megabytes=16)
            size = 0
            with httpx.stream("GET", f"{url}{path}") as answer:
                for part in answer.iter_bytes(1 << 20):
                    size += len(part)
                    time.sleep(0.2)
            assert size == 16 << 20


class TestSizes:
    def test_too_many_lines_are_refused(self, served: Served) -> None:
        answer = told(served.sends(served.head(f"GET {RUNS} HTTP/1.1", *["X-A: b"] * 101) + b"\r\n"))
        assert answer.startswith("HTTP/1.1 431 ")
        assert "send 100 lines and 32,768 bytes" in answer

    @pytest.mark.parametrize("end", [b"", b"\r\n"])
    def test_too_long_a_head_is_refused_also_when_it_is_whole(self, served: Served, end: bytes) -> None:
        answer = told(served.sends(served.head(f"GET {RUNS} HTTP/1.1", "X-A: " + "b" * 50_000) + end))
        assert answer.startswith("HTTP/1.1 431 ")

    def test_too_long_an_address_is_refused(self, served: Served) -> None:
        assert told(served.sends(served.head(f"GET /{'a' * 40_000} HTTP/1.1") + b"\r\n")).startswith("HTTP/1.1 431 ")

    def test_what_is_no_http_is_refused(self, served: Served) -> None:
        for content in (b"\x16\x03\x01\x02\x00\x01\x00", b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n"):
            assert told(served.sends(content + b"\r\n\r\n")).startswith("HTTP/1.1 400 ")


class TestNumbers:
    @needs_superuser
    def test_half_requests_of_another_account_shut_nobody_out(self, served: Served) -> None:
        held = [connect(served.port, uid=SOMEBODY) for _ in range(60)]
        for connection in held:
            with contextlib.suppress(OSError):
                connection.sendall(served.head())
        assert httpx.get(f"{served.url}{RUNS}", timeout=LONG).status_code == 200
        with connect(served.port, uid=SOMEBODY) as another:
            lines = (f"Authorization: Bearer {TOKEN}", "Connection: close")
            another.sendall(served.head(f"GET {RUNS} HTTP/1.1", *lines) + b"\r\n")
            another.settimeout(LONG)
            assert told(another).startswith("HTTP/1.1 200 ")
        for connection in held:
            connection.close()

    @needs_superuser
    def test_the_oldest_of_a_stranger_makes_room_for_its_next(self, served: Served) -> None:
        held = [connect(served.port, uid=SOMEBODY) for _ in range(QUICKLY.most_of_one_stranger)]
        assert not is_ended(held[0])
        held.append(connect(served.port, uid=SOMEBODY))
        wait_until(lambda: is_ended(held[0]), what="the oldest to go", seconds=LONG)
        for connection in held:
            connection.close()

    def test_half_requests_do_not_use_up_a_process_that_may_open_little(self, tmp_path: Path) -> None:
        """256 descriptors, as on macOS, and 300 connections that ask for nothing."""
        with limited_process(tmp_path, descriptors=256) as port:
            held = [connect(port) for _ in range(300)]
            for connection in held:
                with contextlib.suppress(OSError):
                    connection.sendall(f"POST {RUNS} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode())
            assert httpx.get(f"http://127.0.0.1:{port}{RUNS}", timeout=LONG).status_code == 200
            for connection in held:
                connection.close()


@contextlib.contextmanager
def limited_process(home: Path, *, descriptors: int) -> Iterator[int]:
    port = free_port()
    environment = {
        "RESDROP_HOME": str(home / "home"), "RESDROP_PORT": str(port),
        "RESDROP_REDIS_URL": f"unix://{home}/no.sock?db=0", "RESDROP_HEADER_SECONDS": "600",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "backend.serve"], cwd=REPOSITORY, env=os.environ | environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors)),
    )  # fmt: skip
    try:
        wait_until(lambda: answers(port), what="the first page", seconds=LONG)
        yield port
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def drips(connection: socket.socket, drop: bytes) -> bool:
    """Sends a little more; True once the service has ended the connection."""
    time.sleep(0.05)
    try:
        connection.sendall(drop)
    except OSError:
        return True
    return False


def is_reset(connection: socket.socket) -> bool:
    """Without reading, as the peer that it is about."""
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


def large_checkpoint(house: House, *, megabytes: int) -> str:
    house.mount_root()
    run_id = house.api.launch(**{name: value for name, value in QUICK.items() if name == "epochs"})
    checkpoint = house.checkpoint(run_id, f"runs/{run_id}/step-5.pt", content=b"w" * (megabytes << 20))
    return f"{RUNS}/{run_id}/checkpoints/{checkpoint}/file"


class TestSettings:
    def test_are_read_from_the_environment(self) -> None:
        given = {"RESDROP_HEADER_SECONDS": "2.5", "RESDROP_MOST_OF_STRANGERS": "12", "RESDROP_BODY_SECONDS": ""}
        read = ConnectionLimits.from_environment(given)
        assert read == replace(ConnectionLimits(), header_seconds=2.5, most_of_strangers=12)

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("HEADER_SECONDS", "0"),
            ("BODY_SECONDS", "nan"),
            ("IDLE_SECONDS", "x"),
            ("READER_SECONDS", "inf"),
            ("MOST_KNOWN", "1.5"),
            ("MOST_OF_STRANGERS", "-1"),
        ],
    )
    def test_what_is_no_limit_is_refused(self, name: str, text: str) -> None:
        with pytest.raises(ValueError, match=f"RESDROP_{name} '{text}' is no"):
            ConnectionLimits.from_environment({f"RESDROP_{name}": text})

    @pytest.mark.parametrize("descriptors", [64, 128, 256, 1024])
    def test_there_is_room_for_everybody_whatever_the_process_may_open(
        self, monkeypatch: pytest.MonkeyPatch, descriptors: int
    ) -> None:
        fixed: Callable[[int], tuple[int, int]] = lambda _: (descriptors, descriptors)  # noqa: E731
        monkeypatch.setattr(resource, "getrlimit", fixed)
        limits = ConnectionLimits().within_descriptors()
        assert 0 < limits.most_of_one_stranger <= limits.most_of_strangers
        assert limits.most_known > 0
        assert limits.most_known + limits.most_of_strangers < descriptors
