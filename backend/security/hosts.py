"""Which names the service answers to, and whose pages may use it.

A page anywhere can make a browser send requests to 127.0.0.1. It is told apart by three things that it cannot forge:
the Host that it asked for (DNS rebinding), the Origin, and Sec-Fetch-Site.
"""

from __future__ import annotations

import ipaddress
import re

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.connections.peer import peer_of_scope
from backend.problems import problem
from backend.security.addresses import (
    ALLOWED_HOSTS,
    ALLOWED_ORIGINS,
    DEFAULT_PORTS,
    TRUSTED_PROXIES,
    Addresses,
    is_everywhere,
    origin_as_sent,
    own_hosts,
)
from backend.security.documents import refusal_page
from backend.security.navigation import may_be_linked_to, wants_page

_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::\d{0,5})?")
_FOREIGN_SITES = frozenset({"cross-site", "same-site"})


class HostCheck:
    """ASGI middleware: refuses what another site's page, or a name that was bent to our address, has sent."""

    def __init__(self, app: ASGIApp, *, host: str, addresses: Addresses) -> None:
        self._app = app
        self._hosts = own_hosts(host)
        self._is_everywhere = is_everywhere(host)
        self._addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._refusal(scope) if scope["type"] == "http" else None
        await (answer or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_allowed_host(host):
            return _refused(scope, self._unknown_host(scope, host))
        origin = headers.get("origin")
        if origin is not None and self._is_allowed_origin(origin):
            return None
        if origin is not None and not _is_at(origin, scope["scheme"], host):
            return _refused(scope, self._unknown_origin(scope, origin, host))
        if headers.get("sec-fetch-site") in _FOREIGN_SITES and not may_be_linked_to(scope):
            return _refused(scope, "A page of another site may not use this service.")
        return None

    def _is_allowed_host(self, host: str) -> bool:
        name = hostname(host)
        # Bound to every address (which needs a token), it is asked for by whichever: no name can be bent to one.
        return (
            name in self._hosts
            or (self._is_everywhere and _is_address(name))
            or (bool(name) and self._addresses.allows_host(name))
        )

    def _is_allowed_origin(self, origin: str) -> bool:
        return origin.lower() in self._addresses.allowed_origins

    def _unknown_host(self, scope: Scope, host: str) -> str:
        name = hostname(host)
        known = ", ".join(sorted({*self._hosts, *self._addresses.allowed_hosts}))
        if not name:
            return f"The request names no host that can be read ({host[:80]!r}); this service answers to {known}."
        return (
            f"This service does not answer to the name {name!r}, only to {known}. Whoever runs it allows the name with "
            f"`resdrop up --allowed-hosts {name}` or {ALLOWED_HOSTS}={name}.{self._of_proxy(scope)}"
        )

    def _unknown_origin(self, scope: Scope, origin: str, host: str) -> str:
        try:
            remedy = f"`resdrop up --allowed-origins {origin_as_sent(origin)}` or {ALLOWED_ORIGINS}"
        except ValueError:
            remedy = ""
        allow = f" Whoever runs it allows them with {remedy}.{self._of_proxy(scope)}" if remedy else ""
        return f"Pages of {origin[:200]} may not use the service at {host}.{allow}"

    def _of_proxy(self, scope: Scope) -> str:
        """What helps where a proxy told of the right name, and is not believed."""
        peer = peer_of_scope(scope)
        is_named = "x-forwarded-host" in Headers(scope=scope)
        if not is_named or not peer.address or self._addresses.trusts(peer.address):
            return ""
        return (
            f" The headers of the proxy at {peer.address} are not believed; `resdrop up --trusted-proxies "
            f"{peer.address}` or {TRUSTED_PROXIES}={peer.address} changes that."
        )


def _refused(scope: Scope, detail: str) -> Response:
    return refusal_page(detail) if wants_page(scope) else problem(403, detail)


def hostname(host: str) -> str:
    """Of a header Host: in small letters, without port and the dot that ends a full name."""
    found = _HOST.fullmatch(host)
    return (found["v6"] or found["name"]).lower().rstrip(".") if found else ""


def _is_at(origin: str, scheme: str, host: str) -> bool:
    """Is it the origin of the pages at `host`? A proxy that is not believed may have another scheme than we know of."""
    try:
        return any(origin_as_sent(origin) == origin_as_sent(f"{one}://{host}") for one in (scheme, *DEFAULT_PORTS))
    except ValueError:  # the opaque `null` among them
        return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
