"""Which names the service answers to, and whose pages may use it.

A page anywhere can make a browser send requests to 127.0.0.1. It is told apart by three things that it cannot forge:
the Host that it asked for (DNS rebinding), the Origin, and Sec-Fetch-Site.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.problems import problem
from backend.security.navigation import may_be_linked_to

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_EVERYWHERE = frozenset({"0.0.0.0", "::", ""})
_FOREIGN_SITES = frozenset({"cross-site", "same-site"})


class HostCheck:
    """ASGI middleware: refuses what another site's page, or a name that was bent to our address, has sent."""

    def __init__(self, app: ASGIApp, *, host: str) -> None:
        self._app = app
        self._hosts = allowed_hosts(host)
        self._is_everywhere = host in _EVERYWHERE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._refusal(scope) if scope["type"] == "http" else None
        await (answer or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_allowed_host(host):
            shown = ", ".join(sorted(self._hosts))
            return problem(403, f"Host {host!r} is not one of this service ({shown}); start it with --host for others.")
        origin = headers.get("origin")
        if origin is not None and _place(origin) != host.lower():
            return problem(403, f"A page of {origin} may not use this service; open http://{host} instead.")
        if headers.get("sec-fetch-site") in _FOREIGN_SITES and not may_be_linked_to(scope):
            return problem(403, "A page of another site may not use this service.")
        return None

    def _is_allowed_host(self, host: str) -> bool:
        name = _hostname(host)
        # Bound to every address (which needs a token), it is asked for by whichever: no name can be bent to one.
        return name in self._hosts or (self._is_everywhere and _is_address(name))


def allowed_hosts(host: str) -> frozenset[str]:
    """The names, without port, under which a service bound to `host` answers."""
    if host in _EVERYWHERE:
        return _LOOPBACK | {socket.gethostname().lower()}
    return _LOOPBACK | {host.lower().strip("[]")}


def is_loopback(host: str) -> bool:
    return host in _LOOPBACK or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _hostname(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _place(origin: str) -> str:
    """Host and port of an origin; "" for the opaque `null`."""
    return origin.partition("://")[2].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
