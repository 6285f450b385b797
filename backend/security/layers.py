"""What stands before the service, from the outside to the inside."""

from __future__ import annotations

from fastapi import FastAPI

from backend.security.cors import Cors
from backend.security.headers import ProtectiveHeaders
from backend.security.hosts import HostCheck
from backend.security.login import Login
from backend.security.proxies import ProxyHeaders
from backend.settings import Settings


def install(app: FastAPI, settings: Settings) -> None:
    """Whatever the app answers, now or later, is behind these. The last that is added is the outermost."""
    addresses = settings.addresses
    app.add_middleware(
        Login,
        token=settings.token,
        host=settings.host,
        port=settings.port,
        addresses=addresses,
        # A proxy that tells nothing of itself would make all its visitors the owner.
        asks_owner=settings.asks_owner or addresses.has_proxy,
    )
    if addresses.allowed_origins:
        app.add_middleware(Cors, origins=sorted(addresses.allowed_origins))
    app.add_middleware(HostCheck, host=settings.host, addresses=addresses)
    app.add_middleware(ProxyHeaders, addresses=addresses)
    app.add_middleware(ProtectiveHeaders)
