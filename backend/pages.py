"""The page: the files of the frontend, and index.html for every address that the page knows."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path, PurePosixPath

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from backend.compression import accepts_gzip
from backend.errors import NotFound
from backend.frontend_files import FrontendFiles
from backend.security.navigation import route_path

FRONTEND = Path(__file__).resolve().parent.parent / "frontend"
_FOR_EVER = "public, max-age=31536000, immutable"
#: Browsers ask each time and are answered 304.
_ASK_AGAIN = "no-cache"
_STATIC = "/static/"
_NOT_PAGES = ("/api/", _STATIC, "/openapi")


def install(app: FastAPI) -> None:
    files = app.state.frontend = FrontendFiles(FRONTEND)
    app.add_api_route("/static/{path:path}", _static, methods=["GET", "HEAD"], include_in_schema=False)
    threading.Thread(target=files.compress, name="compress-frontend", daemon=True).start()


def is_ours(path: str) -> bool:
    """Is it an address of the page or of its files, whether there is such a file or not?"""
    return path.startswith(_STATIC) or _is_page(path)


def _is_page(path: str) -> bool:
    return not path.startswith(_NOT_PAGES) and not PurePosixPath(path).suffix


def page_for(request: Request, error: HTTPException) -> Response | None:
    """index.html where the page itself knows the address; None where nothing is there."""
    is_asked_for = error.status_code == 404 and request.method in ("GET", "HEAD")
    return _index(request) if is_asked_for and _is_page(route_path(request.scope)) else None


def _index(request: Request) -> Response:
    """Names its files below the present release, so that they are one version, fetched once."""
    release = _files(request).release()
    text = release.page.replace('"/static/', f'"{request.scope.get("root_path", "")}/static/{release.id}/')
    # Weak, for compressed it has other bytes.
    headers = {"Cache-Control": _ASK_AGAIN, "ETag": f'W/"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'}
    return _unchanged(request, headers) or Response(text, media_type="text/html", headers=headers)


def _static(request: Request, path: str) -> Response:
    found = _files(request).find(path)
    if found is None:
        raise NotFound(f"there is no file {path!r}; if the page was open during an upgrade, load it again")
    file, is_constant = found
    is_compressed = accepts_gzip(request.headers)
    headers = {
        "Cache-Control": _FOR_EVER if is_constant else _ASK_AGAIN,
        "ETag": f'"{file.digest}{"-gzip" if is_compressed else ""}"',
        **({"Content-Encoding": "gzip"} if is_compressed else {}),
    }
    content = file.compressed if is_compressed else file.content
    return _unchanged(request, headers) or Response(content, media_type=file.media_type, headers=headers)


def _unchanged(request: Request, headers: dict[str, str]) -> Response | None:
    """304 for a browser that has this very answer."""
    known = request.headers.get("if-none-match", "")
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    return Response(status_code=304, headers=headers) if headers["ETag"].removeprefix("W/") in tags else None


def _files(request: Request) -> FrontendFiles:
    files: FrontendFiles = request.app.state.frontend
    return files
