"""Other accounts of this machine, which only the superuser can act as."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

#: Numbers that no account of a usual machine has.
SOMEBODY, SOMEBODY_ELSE = 54321, 54322

needs_superuser = pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can act as another account")


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """What this thread makes meanwhile, sockets too, belongs to the account; setfsuid(2) leaves other threads alone."""
    libc = ctypes.CDLL(None)
    before = libc.setfsuid(uid)
    try:
        yield
    finally:
        libc.setfsuid(before)


def connect(port: int, *, uid: int | None = None, host: str = "127.0.0.1") -> socket.socket:
    """A connection that the account made; by default our own."""
    if uid is None:
        return socket.create_connection((host, port), timeout=60)
    with acting_as(uid):
        return socket.create_connection((host, port), timeout=60)


def ask(port: int, text: str, *, uid: int | None = None, host: str = "127.0.0.1") -> str:
    """What the service answers to the bytes of a request, up to its end of the connection."""
    with connect(port, uid=uid, host=host) as connection:
        connection.sendall(text.encode("latin-1"))
        received = b""
        while part := connection.recv(65536):
            received += part
    return received.decode("utf-8", "replace")


def get(port: int, path: str, *headers: str, uid: int | None = None, method: str = "GET") -> str:
    """The answer with its head."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close", *headers]
    return ask(port, "\r\n".join(lines) + "\r\n\r\n", uid=uid)


def status(answer: str) -> int:
    return int(answer.split(" ", 2)[1])


def command_as(uid: int, folder: Path) -> list[str]:
    """What stands before a command that the account is to run.

    Python, its packages and this repository may lie where only the superuser looks: it is then lent that one right.
    """
    plain = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    lent = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--securebits=+no_setuid_fixup"]
    for more in ([], lent):
        if shutil.which("setpriv") and _runs([*plain, *more], folder):
            return [*plain, *more]
    pytest.skip(f"account {uid} can run neither {sys.executable} nor setpriv here")


def _runs(prefix: list[str], folder: Path) -> bool:
    # supervisord asks access(2), which leaves out what was lent unless told otherwise.
    program = "import backend.serve, os, sys; sys.exit(not os.access(sys.executable, os.X_OK))"
    command = [*prefix, sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False).returncode == 0
