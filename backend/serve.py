"""`python -m backend.serve`: the API process."""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
import time
from dataclasses import replace
from functools import partial
from typing import cast

import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from backend.app import create_app
from backend.connections.admission import Admission
from backend.connections.kernel import find_lookup
from backend.connections.protocol import GuardedProtocol
from backend.db.migrate import upgrade
from backend.errors import ResDropError
from backend.loopback import is_loopback
from backend.parts import Parts
from backend.process.errors import CommandError
from backend.process.home import Home
from backend.process.privacy import PRIVATE_UMASK
from backend.settings import Settings

#: For answers that are under way; streams are ended at once.
GRACE_SECONDS = 3


class Server(uvicorn.Server):
    """Keeps the connections' deadlines, and ends the open streams first when it is to stop: they never would."""

    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        now = time.monotonic()
        for connection in list(self.server_state.connections):
            cast(GuardedProtocol, connection).keep_deadline(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._parts.live.close_streams()
        await super().shutdown(sockets)


def main() -> int:
    os.umask(PRIVATE_UMASK)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        settings = Settings.from_environment()
        refuse_open_door(settings)
        settings = with_token(settings)
        app = create_app(settings)
        upgrade(app.state.parts.database)
    except (ValueError, ResDropError, CommandError, OSError, SQLAlchemyError) as error:
        sentence = str(error).partition("\n")[0]
        print(f"resdrop: {sentence}", file=sys.stderr)
        return 2
    # What lives as long as the process is not looked through again and again for garbage.
    gc.freeze()
    Server(config_of(app, settings), app.state.parts).run()
    return 0


def refuse_open_door(settings: Settings) -> None:
    """Raises ValueError where anybody on the network could launch runs."""
    if settings.token is None and not is_loopback(settings.host):
        raise ValueError(f"RESDROP_HOST {settings.host!r} is not only this machine; set RESDROP_TOKEN to a secret")


def with_token(settings: Settings) -> Settings:
    """With the token of the home where none is named, for those whom the kernel does not tell to be the owner."""
    if settings.token is not None:
        return settings
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return replace(settings, token=Home(settings.home).kept_token())


def config_of(app: FastAPI, settings: Settings) -> uvicorn.Config:
    limits = settings.limits.within_descriptors()
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        http=partial(GuardedProtocol, admission=Admission(limits), lookup=find_lookup()),  # type: ignore[arg-type]
        # It would believe what any program on this machine says of whom it speaks for; see backend/security/proxies.py.
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        lifespan="on",
        ws="none",
    )


if __name__ == "__main__":
    sys.exit(main())
