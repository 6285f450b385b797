"""Who may speak to the service: a browser's other pages may not, nor may a name that was bent to our address.

A page anywhere can make a browser send requests to 127.0.0.1. It is told apart by three things that it cannot forge:
the Host that it asked for (DNS rebinding), the Origin, and Sec-Fetch-Site.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import socket
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.problems import problem
from backend.settings import Settings

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_EVERYWHERE = frozenset({"0.0.0.0", "::", ""})
_COOKIE_LIVES_SECONDS = 30 * 24 * 3600
_FOREIGN_SITES = frozenset({"cross-site", "same-site"})

# Plotly writes <style> elements and style attributes, and saves a chart through a data: or blob: image.
_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Gate:
    """ASGI middleware that lets through whom it should, and puts the protective headers on every answer."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._hosts = allowed_hosts(settings.host)
        self._is_everywhere = settings.host in _EVERYWHERE
        self._token = settings.token
        # Cookies are shared by all ports of a host, so that two services side by side need two names.
        self._cookie = f"resdrop_{settings.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = self._refusal(scope) or self._login(scope)
        await (answer or self._app)(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_allowed_host(host):
            shown = ", ".join(sorted(self._hosts))
            return problem(403, f"Host {host!r} is not one of this service ({shown}); start it with --host for others.")
        origin = headers.get("origin")
        if origin is not None and _place(origin) != host.lower():
            return problem(403, f"A page of {origin} may not use this service; open http://{host} instead.")
        if headers.get("sec-fetch-site") in _FOREIGN_SITES and not _is_page(scope, headers):
            return problem(403, "A page of another site may not use this service.")
        return None

    def _is_allowed_host(self, host: str) -> bool:
        name = _hostname(host)
        # Bound to every address (which needs a token), it is asked for by whichever: no name can be bent to one.
        return name in self._hosts or (self._is_everywhere and _is_address(name))

    def _login(self, scope: Scope) -> Response | None:
        """What to answer instead of letting the request in; None for who has shown the token."""
        if self._token is None:
            return None
        headers = Headers(scope=scope)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(given.strip()):
            return None
        if secrets.compare_digest(_cookies(headers).get(self._cookie, "").encode(), _digest(self._token).encode()):
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if scope["method"] == "GET" and self._is_token(dict(query).get("token", "")):
            return self._logged_in(scope, [(name, value) for name, value in query if name != "token"])
        detail = "This service asks for its token: send Authorization: Bearer, or open the address that `up` printed."
        return problem(401, detail, headers={"WWW-Authenticate": "Bearer"})

    def _is_token(self, given: str) -> bool:
        assert self._token is not None
        return secrets.compare_digest(given.encode(), self._token.encode())

    def _logged_in(self, scope: Scope, query: list[tuple[str, str]]) -> Response:
        assert self._token is not None
        # A path that begins with two slashes would lead to another host.
        address = "/" + scope["path"].lstrip("/\\") + (f"?{urlencode(query)}" if query else "")
        answer = RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})
        answer.set_cookie(
            self._cookie, _digest(self._token), max_age=_COOKIE_LIVES_SECONDS, httponly=True, samesite="lax"
        )
        return answer


def allowed_hosts(host: str) -> frozenset[str]:
    """The names, without port, under which a service bound to `host` answers."""
    if host in _EVERYWHERE:
        return _LOOPBACK | {socket.gethostname().lower()}
    return _LOOPBACK | {host.lower().strip("[]")}


def is_loopback(host: str) -> bool:
    return host in _LOOPBACK or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_page(scope: Scope, headers: Headers) -> bool:
    """A link on another site may lead to our page, not into the interface below it."""
    is_navigation = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
    return is_navigation and not scope["path"].startswith("/api/")


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


def _cookies(headers: Headers) -> dict[str, str]:
    return cookie_parser(headers.get("cookie", ""))


def _digest(token: str) -> str:
    """So that the cookie does not give the token away."""
    return hashlib.sha256(f"resdrop:{token}".encode()).hexdigest()


def _with_headers(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return wrapped
