"""`python -m backend.serve`: the API process."""

from __future__ import annotations

import logging
import socket
import sys

import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from backend.app import create_app
from backend.db.migrate import upgrade
from backend.errors import ResDropError
from backend.parts import Parts
from backend.security import is_loopback
from backend.settings import Settings

#: For answers that are under way; streams are ended at once.
GRACE_SECONDS = 3


class Server(uvicorn.Server):
    """Ends the open streams first when it is to stop, for they would never end by themselves."""

    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._parts.live.close_streams()
        await super().shutdown(sockets)


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        settings = Settings.from_environment()
        refuse_open_door(settings)
        app = create_app(settings)
        upgrade(app.state.parts.database)
    except (ValueError, ResDropError, OSError, SQLAlchemyError) as error:
        sentence = str(error).partition("\n")[0]
        print(f"resdrop: {sentence}", file=sys.stderr)
        return 2
    Server(config_of(app, settings), app.state.parts).run()
    return 0


def refuse_open_door(settings: Settings) -> None:
    """Raises ValueError where anybody on the network could launch runs."""
    if settings.token is None and not is_loopback(settings.host):
        raise ValueError(f"RESDROP_HOST {settings.host!r} is not only this machine; set RESDROP_TOKEN to a secret")


def config_of(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        lifespan="on",
        ws="none",
    )


if __name__ == "__main__":
    sys.exit(main())
