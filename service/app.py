"""`create_app`: the routes, their middleware and the life of what is behind them, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from service import problems
from service.auth import Guard
from service.openapi import describe
from service.requestid import RequestId
from service.routes import (
    alarms,
    cameras,
    clips,
    detect,
    health,
    history,
    jobs,
    live,
    metrics,
    models,
    page,
    recordings,
    sensor,
    streams,
    zones,
)
from service.routes.context import open_context
from service.runtime import Runtime
from service.settings import Settings

_ROUTES = (
    detect,
    recordings,
    jobs,
    streams,
    zones,
    sensor,
    clips,
    alarms,
    history,
    cameras,
    models,
    health,
    metrics,
)
_JSON_BODY_BYTES = 64 << 10


def create_app(settings: Settings, make_runtime: Callable[[Settings], Runtime] = Runtime) -> FastAPI:
    """The ASGI application; starting it starts the inference worker, which warms up in the background.

    Args:
        settings: see `docs/settings.md`.
        make_runtime: what answers; tests put something small here.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with make_runtime(settings) as runtime, open_context(settings, runtime) as context:
            app.state.context = context
            yield

    app = FastAPI(
        title="Spikesight",
        summary="Boxes from event cameras, by a spiking network.",
        version=version("spikesight"),
        lifespan=lifespan,
        middleware=_middleware(settings),
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app)
    for part in _ROUTES:
        app.include_router(part.router)
    app.include_router(live.router)
    page.install(app)
    describe(app)
    return app


def _middleware(settings: Settings) -> list[Middleware]:
    """Outermost first."""
    layers = [Middleware(RequestId)]
    if settings.cors_origins:
        layers.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=["Authorization", "Content-Type", "Prefer", "X-Request-ID"],
                expose_headers=["Location", "Retry-After", "X-Request-ID"],
            )
        )
    layers.append(Middleware(Guard, settings=settings))
    return layers
