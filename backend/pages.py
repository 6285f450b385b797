"""The page: its files, Plotly out of the Python package, and index.html for every address that the page knows."""

from __future__ import annotations

import gzip
import importlib.metadata
import importlib.util
import logging
import os
import tempfile
import threading
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from backend.errors import NotFound

FRONTEND = Path(__file__).resolve().parent.parent / "frontend"
_FOR_EVER = "public, max-age=31536000, immutable"
#: Browsers ask each time and are answered 304: a new version is never mixed with files of the old one.
_ASK_AGAIN = "no-cache"
_NOT_PAGES = ("/api/", "/static/", "/vendor/", "/openapi")

log = logging.getLogger(__name__)


class PageFiles(StaticFiles):
    """The frontend's own files."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = _ASK_AGAIN
        return response


def install(app: FastAPI, *, cache_folder: Path) -> None:
    app.mount("/static", PageFiles(directory=FRONTEND, check_dir=False), name="static")
    plotly = PlotlyFile(cache_folder)
    app.add_api_route("/vendor/plotly.min.js", plotly.answer, methods=["GET", "HEAD"], include_in_schema=False)
    threading.Thread(target=plotly.prepare, name="plotly", daemon=True).start()


def page_for(request: Request, error: HTTPException) -> Response | None:
    """index.html where the page itself knows the address; None where nothing is there."""
    path = request.url.path
    is_page = error.status_code == 404 and request.method in ("GET", "HEAD") and not path.startswith(_NOT_PAGES)
    if not is_page or PurePosixPath(path).suffix:
        return None
    return FileResponse(FRONTEND / "index.html", headers={"Cache-Control": _ASK_AGAIN})


@cache
def plotly_version() -> str:
    try:
        return importlib.metadata.version("plotly")
    except importlib.metadata.PackageNotFoundError:
        return ""


class PlotlyFile:
    """Compressed once (4.8 MB to 1.4 MB) and kept beside the database; a new version gets a new name."""

    def __init__(self, cache_folder: Path) -> None:
        self._compressed = cache_folder / f"plotly-{plotly_version()}.min.js.gz"

    def prepare(self) -> None:
        source = _plotly_source()
        if source is None or self._compressed.exists():
            return
        try:
            self._compressed.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(self._compressed, gzip.compress(source.read_bytes(), compresslevel=6))
        except OSError as error:
            log.warning("Plotly is served uncompressed: %s", error)

    def answer(self, request: Request) -> Response:
        source = _plotly_source()
        if source is None:
            raise NotFound("plotly is not installed; install the requirements again")
        is_named = request.query_params.get("v") == plotly_version()
        headers = {"Cache-Control": _FOR_EVER if is_named else _ASK_AGAIN, "Vary": "Accept-Encoding"}
        is_compressed = "gzip" in Headers(scope=request.scope).get("accept-encoding", "") and self._compressed.exists()
        if is_compressed:
            headers["Content-Encoding"] = "gzip"
        path = self._compressed if is_compressed else source
        return FileResponse(path, media_type="text/javascript", headers=headers)


@cache
def _plotly_source() -> Path | None:
    """Found without importing plotly, which takes longer than serving it."""
    found = importlib.util.find_spec("plotly")
    folders: Any = found.submodule_search_locations if found is not None else None
    paths = [Path(folder) / "package_data" / "plotly.min.js" for folder in folders or ()]
    return next((path for path in paths if path.is_file()), None)


def _write_whole(path: Path, content: bytes) -> None:
    """Nobody ever sees half of it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    Path(name).replace(path)
