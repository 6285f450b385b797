"""The header Location of what was made."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Response


class Location:
    """Also right where a proxy has the service below a path of its site."""

    def __init__(self, request: Request, response: Response) -> None:
        self._root = str(request.scope.get("root_path", ""))
        self._headers = response.headers

    def set(self, path: str) -> None:
        """`path` is below the interface's own: `/runs/ID`."""
        self._headers["Location"] = f"{self._root}/api/v1{path}"


LocationOf = Annotated[Location, Depends(Location)]
