"""What a request finds of the service: made once by `create_app`, handed to the routes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from backend.announcer import Announcer
from backend.db.session import Database
from backend.db.tables import Run
from backend.live.hub import LiveHub
from backend.settings import Settings


@dataclass(frozen=True)
class Parts:
    settings: Settings
    database: Database
    announcer: Announcer
    live: LiveHub

    def announce(self, run_ids: Iterable[str] = ()) -> None:
        """To be called after the commit: tells the pages here at once, and Redis as soon as may be."""
        self.live.wake()
        self.announcer.announce(run_ids)

    def announce_gone(self, run: Run) -> None:
        self.live.wake()
        self.announcer.announce_gone(run)


async def _parts(request: Request) -> Parts:
    found: Parts = request.app.state.parts
    return found


async def _database(request: Request) -> Database:
    return (await _parts(request)).database


PartsOf = Annotated[Parts, Depends(_parts)]
DatabaseOf = Annotated[Database, Depends(_database)]
#: Of every route that is of one run.
RunId = Annotated[str, Path(description="The id of a run.", examples=["r_1a2b3c4d"])]
