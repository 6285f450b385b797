"""Answers are compressed for who takes it: JSON, pages and tables; no event streams, checkpoints or images.

Compressing an answer that holds both a secret and something that a stranger chose would give the secret away by its
length (BREACH). No answer here holds one: the token travels in headers and in the body of one request alone.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Below it a packet is saved nowhere, and the header costs as much.
LEAST_BYTES = 1000
#: Of 400 kB of curves level 9 leaves 2 percent less than level 5, and takes three times as long.
LEVEL = 5
#: Weights hardly shrink, and gigabytes of them would keep a processor busy and their length unknown.
_INCOMPRESSIBLE = ("application/octet-stream",)


class Compression(GZipMiddleware):
    """ASGI middleware. Starlette's own, but for `gzip;q=0`, which it takes for a wish."""

    def __init__(self, app: ASGIApp) -> None:
        excluded = (*DEFAULT_EXCLUDED_CONTENT_TYPES, *_INCOMPRESSIBLE)
        super().__init__(app, LEAST_BYTES, LEVEL, exclude_content_types=excluded)
        self._excluded = frozenset(excluded)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = dict(scope, headers=list(scope["headers"]))
            accepted = "gzip" if accepts_gzip(Headers(scope=scope)) else "identity"
            MutableHeaders(scope=scope)["accept-encoding"] = accepted
            if scope["method"] == "HEAD" and accepted == "gzip":
                send = _without_length(send)
            send = self._with_vary(send)
        await super().__call__(scope, receive, send)

    def _with_vary(self, send: Send) -> Send:
        """Caches are told wherever the encoding depends on who asks: of small answers too, which may have grown by the
        next time, of HEAD and of 304, which tell of the others; and once."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and self._is_encoded(message):
                headers = MutableHeaders(scope=message)
                named = [name.strip() for name in ",".join(headers.getlist("vary")).split(",")]
                others = [name for name in named if name and name.lower() != "accept-encoding"]
                headers["Vary"] = ", ".join(["Accept-Encoding", *others])
            await send(message)

        return sent

    def _is_encoded(self, start: Message) -> bool:
        """Is it of a kind that goes out compressed to some?"""
        headers = Headers(raw=start["headers"])
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        is_excluded = not kind or not self._excluded.isdisjoint({kind, f"{kind.partition('/')[0]}/*"})
        return start["status"] == 304 or (start["status"] != 206 and not is_excluded)


def _without_length(send: Send) -> Send:
    """What GET would come to when it is compressed is not known without doing it, and a wrong length is a lie.

    What is kept compressed already says its encoding and its length itself.
    """

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if "content-encoding" not in headers:
                del headers["content-length"]
        await send(message)

    return sent


def accepts_gzip(headers: Headers) -> bool:
    """By the header Accept-Encoding (RFC 9110, 12.5.3): names with a weight, where 0 means never."""
    weights: dict[str, str] = {}
    for part in headers.get("accept-encoding", "").lower().split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip()] = parameter.strip().removeprefix("q=") or "1"
    found = weights.get("gzip", weights.get("x-gzip", weights.get("*", "0")))
    return found.strip("0.") != ""
