"""Telling a person who opens a page from a program that asks for data."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Scope

_REPORT = "/report.html"


def route_path(scope: Scope) -> str:
    """The path below the service's root path, by which it is told what is asked for."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) or "/" if path == root or path.startswith(f"{root}/") else path


def wants_page(scope: Scope) -> bool:
    """Is an answer shown to a person as it comes?"""
    headers = Headers(scope=scope)
    if scope["method"] not in ("GET", "HEAD"):
        return False
    if "sec-fetch-mode" in headers:
        return _is_navigation(headers)
    return "text/html" in headers.get("accept", "")


def may_be_linked_to(scope: Scope) -> bool:
    """A link on another site may lead to a page or a report of ours, not into the interface below them."""
    is_opened = scope["method"] in ("GET", "HEAD") and _is_navigation(Headers(scope=scope))
    path = route_path(scope)
    return is_opened and (not path.startswith("/api/") or path.endswith(_REPORT))


def _is_navigation(headers: Headers) -> bool:
    """Of a window or tab: a frame or an embedded object is none."""
    is_window = headers.get("sec-fetch-dest", "document") == "document"
    return headers.get("sec-fetch-mode") == "navigate" and is_window
