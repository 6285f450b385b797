"""What stands before the service, from the outside to the inside."""

from __future__ import annotations

from fastapi import FastAPI

from backend.security.headers import ProtectiveHeaders
from backend.security.hosts import HostCheck
from backend.security.login import Login
from backend.settings import Settings


def install(app: FastAPI, settings: Settings) -> None:
    """Whatever the app answers, now or later, is behind these. The last that is added is the outermost."""
    app.add_middleware(Login, token=settings.token, port=settings.port, asks_owner=settings.asks_owner)
    app.add_middleware(HostCheck, host=settings.host)
    app.add_middleware(ProtectiveHeaders)
