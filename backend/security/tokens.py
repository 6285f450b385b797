"""The service's secret, what is derived of it, and what slows its guessing down."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time

#: How long a link that `up` makes can be followed; some browsers take a while to start.
LINK_SECONDS = 600
_MOST_LINKS = 16

#: A wrong token is answered after this pause, and so many at a time: 16 guesses a second, however many ask.
_PAUSE_SECONDS = 0.5
_AT_A_TIME = 8
_MOST_WAITING = 64


class Token:
    """Without a secret nobody is let in by it."""

    def __init__(self, secret: str | None) -> None:
        self._secret = (secret or "").encode()

    def is_shown_by(self, given: str) -> bool:
        return bool(self._secret) and secrets.compare_digest(given.encode(), self._secret)

    def cookie(self, visitor: str) -> str:
        """What the browser of `visitor` keeps. It does not give the token away, and is worth nothing in other hands.

        A browser sends a cookie to every port of a host, so also to a server of another account of the machine.
        """
        return hmac.new(self._secret, f"resdrop cookie of {visitor}".encode(), hashlib.sha256).hexdigest()

    def is_shown_by_cookie(self, given: str, visitor: str) -> bool:
        return bool(self._secret) and secrets.compare_digest(given.encode(), self.cookie(visitor).encode())


class OneTimeLinks:
    """Codes that let one browser in, once and soon."""

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}

    def make(self) -> str:
        """Forgets the oldest where there are many."""
        while len(self._ends) >= _MOST_LINKS:
            del self._ends[next(iter(self._ends))]
        code = secrets.token_urlsafe(32)
        self._ends[_digest(code)] = time.monotonic() + LINK_SECONDS
        return code

    def take(self, code: str) -> bool:
        """True once for each code that was made in the last `LINK_SECONDS`."""
        return time.monotonic() < self._ends.pop(_digest(code), 0.0)


class WrongTokens:
    """Whoever shows a wrong token waits for the answer. A right one is never kept waiting, so nobody is locked out."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_A_TIME)
        self._waiting = 0

    async def pause(self) -> bool:
        """False, at once, where too many wait already."""
        if self._waiting >= _MOST_WAITING:
            return False
        self._waiting += 1
        try:
            async with self._turns:
                await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self._waiting -= 1
        return True


def _digest(code: str) -> str:
    """So that the time that a look-up takes says nothing of the codes."""
    return hashlib.sha256(code.encode()).hexdigest()
