"""Who is let in: the account that runs the service, and whoever shows its token. Nobody else, whatever is asked for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.connections.peer import peer_of_scope
from backend.errors import BadInput
from backend.methods import answer_by_method
from backend.parameters import refuse_others
from backend.problems import problem
from backend.security.addresses import Addresses, own_hosts
from backend.security.documents import token_page
from backend.security.hosts import hostname
from backend.security.navigation import route_path, wants_page
from backend.security.proxies import visitor_of
from backend.security.tokens import LINK_SECONDS, OneTimeLinks, Token, WrongTokens

LOGIN = "/login"
#: Makes a one-time link, for who is let in already.
LINKS = "/login/links"

_COOKIE_LIVES_SECONDS = 30 * 24 * 3600
_MOST_BYTES_OF_FORM = 8192
#: Printable ASCII that begins with one slash, and no backslash, which browsers take for a slash.
_INSIDE = re.compile(r"/(?![/\\])[!-\[\]-~]*")


#: The parameters of the login, each given once.
_TAKEN = {"next": False, "code": False}


class Login:
    """ASGI middleware: what is behind it is only ever reached by those who are let in."""

    def __init__(
        self, app: ASGIApp, *, token: str | None, host: str, port: int, addresses: Addresses, asks_owner: bool = False
    ) -> None:
        self._app = app
        self._token = Token(token)
        self._own_hosts = own_hosts(host)
        self._addresses = addresses
        self._asks_owner = asks_owner
        # Cookies are shared by all ports of a host, so that two services side by side need two names.
        self._cookie = f"resdrop_{port}"
        self._links = OneTimeLinks()
        self._wrong = WrongTokens()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        assert scope["type"] == "http", "nothing but HTTP is served"
        answer = await self._answer(Request(scope, receive))
        await (answer or self._app)(scope, receive, send)

    async def _answer(self, request: Request) -> Response | None:
        """What is said in place of the service; None for who is let in."""
        path = route_path(request.scope)
        if path == LOGIN:
            return _refused(request, _TAKEN) or await self._log_in(request)
        if not self._is_let_in(request):
            return await self._refusal(request)
        return (_refused(request, {}) or self._new_link(request)) if path == LINKS else None

    def _is_let_in(self, request: Request) -> bool:
        if self._is_owner(request):
            return True
        cookie = request.cookies.get(self._cookie, "")
        is_shown = self._token.is_shown_by(_bearer(request)) or self._token.is_shown_by_cookie(
            cookie, visitor_of(request.scope, self._addresses)
        )
        if is_shown:
            peer_of_scope(request.scope).is_known = True
        return is_shown

    def _is_owner(self, request: Request) -> bool:
        """What the kernel says of the connection counts for the one who made it, not for whom a proxy passes on."""
        if self._asks_owner or not peer_of_scope(request.scope).is_owner:
            return False
        if request.headers.get("origin", "").lower() in self._addresses.allowed_origins:
            return False
        # A name that had to be allowed is that of a proxy, even if nothing else tells of one, or of other machines.
        name = hostname(request.headers.get("host", ""))
        is_own_name = name in self._own_hosts or not self._addresses.allows_host(name)
        return is_own_name and not _is_passed_on(request)

    async def _refusal(self, request: Request) -> Response:
        # A cookie is not worth guessing, and one that is out of date has a browser shown the form at once.
        if _bearer(request) and not await self._wrong.pause():
            return _too_many()
        if wants_page(request.scope):
            return self._token_page(request, going_to=_address(request))
        uid = peer_of_scope(request.scope).uid
        who = f"Account {uid} of this machine does not run this service. " if uid is not None else ""
        detail = (
            f"{who}This service asks for its token: send it as `Authorization: Bearer`, or open the page and enter it. "
            "The account that runs the service finds it in the file `token` of its home."
        )
        return problem(401, detail, headers={"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"})

    async def _log_in(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._from_form(request)
        answer = answer_by_method(request.scope, ("GET", "HEAD", "POST"))
        if answer is not None:
            return answer
        going_to = _inside(request, request.query_params.get("next", ""))
        code = request.query_params.get("code", "")
        if code and request.method == "GET":
            if self._links.take(code):
                return self._logged_in(request, going_to)
            return await self._once_more(request, going_to, "This link was used already, or is too old.")
        if self._is_let_in(request):
            return RedirectResponse(going_to, status_code=303)
        return self._token_page(request, going_to=going_to)

    async def _from_form(self, request: Request) -> Response:
        try:
            form = await _form(request)
        except HTTPException as error:
            return problem(error.status_code, error.detail)
        going_to = _inside(request, form.get("next", ""))
        if self._token.is_shown_by(form.get("token", "").strip()):
            return self._logged_in(request, going_to)
        return await self._once_more(request, going_to, "This is not the token. Enter it as it stands in the file.")

    async def _once_more(self, request: Request, going_to: str, complaint: str) -> Response:
        if not await self._wrong.pause():
            return _too_many()
        return self._token_page(request, going_to=going_to, complaint=complaint)

    def _token_page(self, request: Request, *, going_to: str, complaint: str = "") -> Response:
        return token_page(action=_root(request) + LOGIN, going_to=going_to, complaint=complaint)

    def _logged_in(self, request: Request, going_to: str) -> Response:
        peer_of_scope(request.scope).is_known = True
        answer = RedirectResponse(going_to, status_code=303, headers={"Cache-Control": "no-store"})
        answer.set_cookie(
            self._cookie,
            self._token.cookie(visitor_of(request.scope, self._addresses)),
            max_age=_COOKIE_LIVES_SECONDS,
            path=_root(request) or "/",
            secure=request.scope["scheme"] == "https",
            httponly=True,
            samesite="lax",
        )
        return answer

    def _new_link(self, request: Request) -> Response:
        answer = answer_by_method(request.scope, ("POST",))
        if answer is not None:
            return answer
        return JSONResponse({"path": f"{LOGIN}?code={self._links.make()}", "seconds": LINK_SECONDS}, status_code=201)


def _refused(request: Request, taken: Mapping[str, bool]) -> Response | None:
    try:
        refuse_others(request, taken)
    except BadInput as error:
        return problem(422, str(error), errors=error.errors)
    return None


def _too_many() -> Response:
    return problem(429, "Too many wrong tokens are being answered; try again in a few seconds.", headers=_SOON)


_SOON = {"Retry-After": "5", "Cache-Control": "no-store"}


def _bearer(request: Request) -> str:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def _is_passed_on(request: Request) -> bool:
    """Does anything betray a proxy? HTTP/1.0 does: it is what nginx speaks to a service unless told otherwise."""
    return request.scope["http_version"] == "1.0" or any(_tells_of_proxy(name) for name in request.headers)


def _tells_of_proxy(name: str) -> bool:
    return name.startswith(("x-forwarded", "x-envoy-", "cf-")) or name in _OF_PROXIES


_OF_PROXIES = frozenset(
    {
        "forwarded",
        "via",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "true-client-ip",
        "x-original-host",
        "x-original-url",
        "x-proxycontextpath",
        "x-script-name",
    }
)


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))


def _address(request: Request) -> str:
    """Path and query as they were asked for, less what may be secret in them."""
    path = "/" + quote(request.scope["path"].lstrip("/\\"), safe="/:@!$&'()*+,;=~-._")
    query = [(name, value) for name, value in request.query_params.multi_items() if name not in ("token", "code")]
    return _inside(request, path + (f"?{urlencode(query)}" if query else ""))


def _inside(request: Request, address: str) -> str:
    """An address of this service, so that no link through the login leads elsewhere; else the first page."""
    root = _root(request)
    if not _INSIDE.fullmatch(address):
        return f"{root}/"
    # Dots would lead out of the service's own path again.
    is_below = address == root or address.startswith((f"{root}/", f"{root}?"))
    return address if is_below and "/." not in address else f"{root}/"


async def _form(request: Request) -> dict[str, str]:
    """Raises HTTPException for what no form of ours sends."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "Send the token as a form: `token=...`, application/x-www-form-urlencoded.")
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > _MOST_BYTES_OF_FORM:
            raise HTTPException(413, f"The form is too large; send {_MOST_BYTES_OF_FORM:,} bytes or fewer.")
    fields = parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True)
    for name, count in Counter(name for name, _ in fields).items():
        if name not in ("token", "next"):
            raise HTTPException(422, f"There is no field {name[:80]!r} in this form; it has token and next.")
        if count > 1:
            raise HTTPException(422, f"{name[:80]!r} is there {count} times in the form; give it once.")
    return dict(fields)
