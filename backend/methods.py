"""What each address answers to: HEAD where it answers to GET, OPTIONS, and its other methods."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import anyio
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.problems import problem
from backend.security.navigation import route_path

_READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class _Address:
    pattern: re.Pattern[str]
    is_literal: bool
    methods: frozenset[str]


class Methods:
    """ASGI middleware. Routes know their own method alone, and the router would name those of the first one only."""

    def __init__(
        self, app: ASGIApp, *, routes: Iterable[BaseRoute], prefix: str, is_page: Callable[[str], bool]
    ) -> None:
        """`is_page` tells whether a path is of the page or one of its files, which are read and nothing else."""
        self._app = app
        self._is_page = is_page
        self._addresses = [_address(route, prefix) for route in routes if isinstance(route, APIRoute)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = route_path(scope)
        allowed = self._allowed(path)
        answer = answer_by_method(scope, allowed or (_READING if self._is_page(path) else ()))
        if answer is not None:
            await answer(scope, receive, send)
        elif allowed and scope["method"] == "HEAD":
            await self._head(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _allowed(self, path: str) -> frozenset[str]:
        found = [address for address in self._addresses if address.pattern.fullmatch(path)]
        # /runs/check is an address of its own, although it looks like that of a run.
        exact = [address for address in found if address.is_literal] or found
        methods = frozenset().union(*(address.methods for address in exact))
        return methods | {"HEAD"} if "GET" in methods else methods

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What GET would begin with. Its content is not made: a file may be large, and a stream never ends."""
        with anyio.CancelScope() as answering:

            async def begin(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await send(message)
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                    answering.cancel()

            await self._app({**scope, "method": "GET"}, receive, begin)


def _address(route: APIRoute, prefix: str) -> _Address:
    pattern, _, convertors = compile_path(prefix + route.path)
    return _Address(pattern, is_literal=not convertors, methods=frozenset(route.methods or ()))


def answer_by_method(scope: Scope, allowed: Collection[str]) -> Response | None:
    """What is said to OPTIONS, and to a method that an address does not have; `allowed` is empty where none is."""
    if not allowed or scope["method"] in allowed:
        return None
    named = ", ".join(sorted({*allowed, "OPTIONS"}))
    if scope["method"] == "OPTIONS":
        return Response(status_code=204, headers={"Allow": named})
    detail = f"{scope['path']} does not answer to {scope['method']}; it does to {named}."
    return problem(405, detail, headers={"Allow": named})
