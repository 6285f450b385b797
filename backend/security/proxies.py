"""What a reverse proxy in front of the service says of the address that the visitor asked for.

Headers are believed of proxies that were named (`RESDROP_TRUSTED_PROXIES`) and of nobody else: X-Forwarded-Host,
X-Forwarded-Proto and X-Forwarded-Prefix. Each proxy of several puts its own value last, so that the last one counts.

The root path is where the service lies on the proxy's site. Whether the proxy removes it before it passes a request on
(`proxy_pass http://127.0.0.1:8000/;`) or not makes no difference: behind this layer every path has it, as ASGI wants.
"""

from __future__ import annotations

import ipaddress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.connections.peer import Peer, peer_of_scope
from backend.security.addresses import DEFAULT_PORTS, Addresses, is_root_path


class ProxyHeaders:
    """ASGI middleware: from here on `scheme`, Host and path are those that the visitor's browser used."""

    def __init__(self, app: ASGIApp, *, addresses: Addresses) -> None:
        self._app = app
        self._addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = dict(scope, headers=list(scope["headers"]))
            root = self._addresses.root_path
            if comes_from(scope, self._addresses):
                root = _apply_headers(scope, root)
            _place_below(scope, root)
        await self._app(scope, receive, send)


def comes_from(scope: Scope, addresses: Addresses) -> bool:
    """Did a proxy that is trusted pass the request on?"""
    return addresses.trusts(peer_of_scope(scope).address)


def visitor_of(scope: Scope, addresses: Addresses) -> str:
    """Whose browser it is, as far as the connection and the proxies that are trusted tell.

    X-Forwarded-For is read from its end, where the nearest proxy wrote whom it was asked by.
    """
    peer = peer_of_scope(scope)
    if not addresses.trusts(peer.address):
        return peer.origin
    for name in reversed(",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")):
        if not addresses.trusts(name.strip()):
            return f"{_place(name.strip())} behind {peer.origin}"
    return peer.origin


def _place(name: str) -> str:
    try:
        return Peer(address=str(ipaddress.ip_address(name))).origin
    except ValueError:  # proxies may write a word in place of an address, or a port behind it
        return name


def _apply_headers(scope: Scope, root: str) -> str:
    """Changes scheme and Host of `scope`; returns the root path."""
    headers = MutableHeaders(scope=scope)
    scheme = _last(headers, "x-forwarded-proto").lower()
    if scheme in DEFAULT_PORTS:
        scope["scheme"] = scheme
    host = _last(headers, "x-forwarded-host")
    if host:
        headers["host"] = host
    prefix = _last(headers, "x-forwarded-prefix").rstrip("/")
    return prefix if is_root_path(prefix) else root


def _last(headers: Headers, name: str) -> str:
    values = headers.getlist(name)
    return values[-1].rpartition(",")[2].strip() if values else ""


def _place_below(scope: Scope, root: str) -> None:
    scope["root_path"] = root
    path = scope["path"]
    if root and path != root and not path.startswith(f"{root}/"):
        scope["path"] = root + path
        scope["raw_path"] = root.encode() + scope.get("raw_path", path.encode())
