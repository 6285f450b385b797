"""Where the service keeps things and how it is reached; read from the environment once, at the start of a process."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backend.connections.limits import ConnectionLimits
from backend.security.addresses import Addresses
from worker.common.disk import Reserve

DEFAULT_HOME = "~/.resdrop"
DEFAULT_PORT = 8000
#: Of a token or password. It goes to the parts in their environment, of which Linux takes no variable above 128 KiB.
MOST_SECRET_BYTES = 4096


@dataclass(frozen=True)
class Settings:
    """`redis_url` is in redis-py's form (redis:// or unix://); `database_url` in SQLAlchemy's, driver included."""

    home: Path
    database_url: str
    redis_url: str
    files: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    #: Lets in who shows it; has to be set to listen beyond the loopback address.
    token: str | None = None
    #: What has to stay free on the disk of database and Redis.
    disk_reserve: Reserve = field(default_factory=Reserve)
    #: Has the account that runs the service show the token too.
    asks_owner: bool = False
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    #: Names, origins, proxies and path beside those of `host` itself.
    addresses: Addresses = field(default_factory=Addresses)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Raises ValueError naming the variable, its value and the remedy."""
        home = Path(environment.get("RESDROP_HOME") or DEFAULT_HOME).expanduser().absolute()
        return cls(
            home=home,
            database_url=_with_driver(environment.get("RESDROP_DATABASE_URL") or f"sqlite:///{home / 'resdrop.db'}"),
            redis_url=environment.get("RESDROP_REDIS_URL") or f"unix://{home / 'redis' / 'redis.sock'}?db=0",
            files=Path(environment.get("RESDROP_FILES") or home / "files"),
            host=environment.get("RESDROP_HOST") or "127.0.0.1",
            port=_port(environment.get("RESDROP_PORT") or str(DEFAULT_PORT)),
            disk_reserve=Reserve.from_environment(environment),
            token=_token(environment.get("RESDROP_TOKEN") or None),
            asks_owner=_yes(environment, "RESDROP_ASK_OWNER"),
            limits=ConnectionLimits.from_environment(environment),
            addresses=Addresses.from_environment(environment),
        )


def without_password(url: str) -> str:
    """As it may be shown."""
    return re.sub(r"(?<=[?&]password=)[^&]*", "...", re.sub(r"(?<=//).*(?=@)", "...", url))


def _with_driver(url: str) -> str:
    """psycopg 3 for Postgres, whichever way its address is spelled."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        shown = without_password(url)
        raise ValueError(f"RESDROP_DATABASE_URL {shown!r} is neither sqlite:/// nor postgresql://; set one of the two")
    return url


def _token(text: str | None) -> str | None:
    """Raises ValueError, without the secret in it."""
    if text is not None and not (text.isascii() and text.isprintable() and text == text.strip()):
        raise ValueError("RESDROP_TOKEN has a character that no header carries; take letters, digits and punctuation")
    if text is not None and len(text) > MOST_SECRET_BYTES:
        raise ValueError(f"RESDROP_TOKEN has {len(text)} characters; take {MOST_SECRET_BYTES} or fewer")
    return text


def _yes(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name, "").strip().lower()
    if text not in ("", "0", "no", "false", "1", "yes", "true"):
        raise ValueError(f"{name} {text!r} is neither yes nor no; set it to 1 or 0")
    return text in ("1", "yes", "true")


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ValueError(f"RESDROP_PORT {text!r} is no port; take a number from 1 to 65535")
    return int(text)
