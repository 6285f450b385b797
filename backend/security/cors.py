"""Pages of other sites whose origin was allowed: Starlette's own CORS, but for its answers to who asks beforehand."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi.middleware.cors import CORSMiddleware
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.problems import problem

_METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID")
#: Sent by any page without being asked for (CORS-safelisted).
_ALWAYS = frozenset({"accept", "accept-language", "content-language", "content-type"})
_LONGEST = 80


class Cors(CORSMiddleware):
    """ASGI middleware. A refusal is a problem that says why, and an agreement has no content."""

    def __init__(self, app: ASGIApp, *, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=_HEADERS,
            allow_credentials=True,
            expose_headers=("Location", "Retry-After", "Content-Disposition"),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The service's own pages are of no other site, whatever their requests say beforehand."""
        headers = Headers(scope=scope) if scope["type"] == "http" else None
        if headers is not None and headers.get("origin") == f"{scope['scheme']}://{headers.get('host')}":
            await self.app(scope, receive, send)
            return
        await super().__call__(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        headers = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        if answer.status_code == 200:
            return Response(status_code=204, headers=headers)
        return problem(403, f"Pages of other sites may not send this: {_refused(request_headers)}.", headers=headers)


def _refused(asked: Headers) -> str:
    """What of it is not allowed, and what is."""
    method = asked["access-control-request-method"]
    named = [name.strip() for name in asked.get("access-control-request-headers", "").split(",")]
    known = {*(name.lower() for name in _HEADERS), *_ALWAYS, ""}
    unknown = [name[:_LONGEST] for name in named if name.lower() not in known]
    reasons = []
    if method not in _METHODS:
        reasons.append(f"the method {method[:_LONGEST]!r}; there are {', '.join(_METHODS)}")
    if unknown:
        reasons.append(f"the header {unknown[0]!r}; beside what every page sends there are {', '.join(_HEADERS)}")
    return "; ".join(reasons) or "its origin was not allowed, or it is asked for over a private network"
