"""A connection of each further rank to the first, which closes when its process dies, however that happens.

For ranks that a launcher has started; those that the first rank starts have pipes to it. Over it go a word that a rank
is done, or why it fails, and the first one's word of who is lost. A machine that vanishes answers no probe of TCP.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from contextlib import suppress

from worker.common.forks import forget, keep_from_forks
from worker.engine.liveness import Watch

DONE, LOST = "done", "lost"
SILENTLY = "ended without a word, as a process does that is killed, or whose machine is gone"
#: A machine is given up after three probes without an answer, or as long with data that it does not take.
PROBES = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 15_000}
HELLO_SECONDS = 30.0


class _Line:
    """Whole lines of text, each way."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._begun = b""
        keep_from_forks(connection.fileno())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in PROBES.items():
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def say(self, text: str) -> None:
        with suppress(OSError):
            self._connection.sendall(text.replace("\n", " ").encode(errors="replace") + b"\n")

    def hear(self) -> str | None:
        """The next line; None when the other end is gone."""
        while b"\n" not in self._begun:
            try:
                part = self._connection.recv(4096)
            except OSError:
                part = b""
            if not part:
                return None
            self._begun += part
        line, _, self._begun = self._begun.partition(b"\n")
        return line.decode(errors="replace")

    def close(self) -> None:
        _close(self._connection)


class FirstsConnections:
    """Of the first rank, to all others."""

    def __init__(self, watch: Watch, *, count: int, address: str) -> None:
        """Listens on `address` alone, or everywhere where it is empty. Raises OSError."""
        self.token = secrets.token_hex(16)
        self._watch = watch
        self._count = count
        self._lines: dict[int, _Line] = {}
        self._lock = threading.Lock()
        self._server = _server(address)
        keep_from_forks(self._server.fileno())
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, name="ranks", daemon=True).start()

    def say(self, text: str) -> None:
        with self._lock:
            lines = list(self._lines.values())
        for line in lines:
            line.say(text)

    def close(self) -> None:
        _close(self._server)
        with self._lock:
            lines, self._lines = self._lines, {}
        for line in lines.values():
            line.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._listen, args=(connection,), name="rank", daemon=True).start()

    def _listen(self, connection: socket.socket) -> None:
        """Whoever does not know the token is a stranger."""
        connection.settimeout(HELLO_SECONDS)
        line = _Line(connection)
        token, _, rest = (line.hear() or "").partition(" ")
        rank, _, who = rest.partition(" ")
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            line.close()
            return
        connection.settimeout(None)
        with self._lock:
            self._lines[int(rank)] = line
        said = line.hear()
        if said != DONE:
            reason = f"rank {rank} of {self._count} ({who}): {said or SILENTLY}"
            if self._watch.lose(reason):
                self.say(f"{LOST} {reason}")


class OthersConnection:
    """Of a further rank, to the first."""

    def __init__(self, watch: Watch, *, rank: int, count: int, address: str, port: int, token: str) -> None:
        """Raises OSError."""
        self._watch = watch
        self._count = count
        connection = socket.create_connection((address, port), timeout=HELLO_SECONDS)
        connection.settimeout(None)
        self._line = _Line(connection)
        self._line.say(f"{token} {rank} process {os.getpid()} on {socket.gethostname()}")
        threading.Thread(target=self._listen, name="first rank", daemon=True).start()

    def say(self, text: str) -> None:
        self._line.say(text)

    def close(self) -> None:
        self._line.close()

    def _listen(self) -> None:
        said = self._line.hear()
        if said == DONE:
            return
        kind, _, reason = (said or "").partition(" ")
        self._watch.lose(reason if kind == LOST else f"rank 0 of {self._count}: {said or SILENTLY}")


def _server(address: str) -> socket.socket:
    if address:
        with suppress(OSError):
            return socket.create_server((address, 0))
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", 0))


def _close(connection: socket.socket) -> None:
    forget(connection.fileno())
    with suppress(OSError):
        # A thread that waits for it is woken only so.
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
