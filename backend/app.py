"""The composition root: `create_app(settings)` puts the service together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Depends, FastAPI

from backend import pages, problems
from backend.announcer import Announcer
from backend.body_limit import BodyLimit
from backend.compare.routes import router as comparisons
from backend.compression import Compression
from backend.datasets.routes import router as datasets
from backend.db.migrate import upgrade
from backend.db.session import Database
from backend.live.hub import LiveHub
from backend.live.routes import router as live
from backend.methods import Methods
from backend.metrics.routes import router as metrics
from backend.openapi import DescribedApp
from backend.parameters import refuse_undeclared
from backend.parts import Parts
from backend.reference.health import router as health
from backend.reference.routes import router as reference
from backend.repeated_keys import refuse_repeated_keys
from backend.runs.routes import router as runs
from backend.security import layers
from backend.settings import Settings
from backend.unread import refuse_unread
from backend.workers.routes import router as workers
from worker.contract import VERSION

PREFIX = "/api/v1"
MOST_BYTES_OF_BODY = 1_000_000
ROUTERS = (runs, metrics, comparisons, datasets, workers, reference, health, live)


def create_app(settings: Settings) -> FastAPI:
    """Connects to nothing yet; the database is opened, and brought up to date, when the service starts."""
    database = Database(settings.database_url)
    parts = Parts(
        settings=settings,
        database=database,
        announcer=Announcer(database, settings.redis_url),
        live=LiveHub(database, settings.redis_url),
    )
    app = DescribedApp(
        token_cookie=f"resdrop_{settings.port}",
        title="ResDrop",
        version=VERSION,
        description="Train ResNets with and without stochastic depth, watch them live, compare them.",
        openapi_url=None,  # it has a route of its own, which refuses what it does not take, as all do
        docs_url=None,  # both would load their scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.parts = parts
    routes = [route for router in ROUTERS for route in router.routes]
    app.add_middleware(Methods, routes=routes, prefix=PREFIX, is_page=pages.is_ours)
    app.add_middleware(BodyLimit, most_bytes=MOST_BYTES_OF_BODY)
    app.add_middleware(Compression)
    layers.install(app, settings)
    problems.install(app)
    app.include_router(_api())
    pages.install(app)
    return app


def _api() -> APIRouter:
    nothing_passed_over = [Depends(refuse_undeclared), Depends(refuse_unread), Depends(refuse_repeated_keys)]
    api = APIRouter(prefix=PREFIX, responses=problems.RESPONSES, dependencies=nothing_passed_over)
    for router in ROUTERS:
        api.include_router(router)
    return api


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    upgrade(parts.database)
    parts.live.start()
    parts.announcer.start()
    yield
    await parts.live.close()
    parts.announcer.close()
    parts.database.close()
