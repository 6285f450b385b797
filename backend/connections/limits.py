"""How long a connection may take, and how many there may be."""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass, replace

#: Descriptors that are left for the database, Redis, the files that are served and the page's own.
_RESERVED = 96
#: What is asked of the system where it allows it; the usual limit of a shell is 1,024.
_WANTED_DESCRIPTORS = 4096


@dataclass(frozen=True)
class ConnectionLimits:
    """Each can be set in the environment, as RESDROP_ and its name in capitals. Times are in seconds."""

    #: From the first byte of a request, or the connection, to the end of the request's head.
    header_seconds: float = 10.0
    #: From there to the end of the body, of which there is at most a megabyte.
    body_seconds: float = 30.0
    #: Between two requests.
    idle_seconds: float = 30.0
    #: For the reader of an answer to take the next of it.
    reader_seconds: float = 60.0
    #: Connections of those who have not shown the token: of one address or account, and of all.
    most_of_one_stranger: int = 32
    most_of_strangers: int = 128
    #: Connections of the owner, of named proxies and of those who have shown the token.
    most_known: int = 1024

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> ConnectionLimits:
        """Raises ValueError naming the variable, its value and the remedy."""
        return cls(
            header_seconds=_seconds(environment, "RESDROP_HEADER_SECONDS", cls.header_seconds),
            body_seconds=_seconds(environment, "RESDROP_BODY_SECONDS", cls.body_seconds),
            idle_seconds=_seconds(environment, "RESDROP_IDLE_SECONDS", cls.idle_seconds),
            reader_seconds=_seconds(environment, "RESDROP_READER_SECONDS", cls.reader_seconds),
            most_of_one_stranger=_count(environment, "RESDROP_MOST_OF_ONE_STRANGER", cls.most_of_one_stranger),
            most_of_strangers=_count(environment, "RESDROP_MOST_OF_STRANGERS", cls.most_of_strangers),
            most_known=_count(environment, "RESDROP_MOST_KNOWN", cls.most_known),
        )

    def within_descriptors(self) -> ConnectionLimits:
        """With as many connections as this process may have open at once, of which some are kept for each kind."""
        left = max(_descriptors() - _RESERVED, 16)
        strangers = min(self.most_of_strangers, left // 3)
        return replace(
            self,
            most_of_strangers=strangers,
            most_of_one_stranger=min(self.most_of_one_stranger, max(strangers // 2, 1)),
            most_known=min(self.most_known, left - strangers),
        )


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < math.inf:
        raise ValueError(f"{name} {text!r} is no time; give seconds above 0, such as {default:g}")
    return value


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise ValueError(f"{name} {text!r} is no number of connections; give a whole number above 0, such as {default}")
    return int(text)


def _descriptors() -> int:
    """What this process may open, after asking for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _WANTED_DESCRIPTORS
    wanted = _WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _WANTED_DESCRIPTORS)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft
