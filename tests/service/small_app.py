"""Some routes of the service on a real port, over whatever context a test puts behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import uvicorn
from fastapi import APIRouter, FastAPI

from service import problems
from service.errors import UnknownStream
from tests.servers import free_port
from tests.service.observed import ObservedStream


class Streams:
    """In place of a runtime: streams by id or name."""

    def __init__(self, *streams: ObservedStream) -> None:
        self.all = list(streams)

    def stream(self, stream_id: str) -> ObservedStream:
        for stream in self.all:
            if stream_id in (stream.id, stream.name):
                return stream
        raise UnknownStream(f"no stream {stream_id!r} is running; GET /streams lists those that are")


@asynccontextmanager
async def served_app(app: Any) -> AsyncIterator[str]:
    """Serves an ASGI application in this loop; its URL."""
    config = uvicorn.Config(app, port=free_port(), log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.005)
            assert not task.done(), "the application did not start"
        yield f"http://127.0.0.1:{config.port}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def small_app(*routers: APIRouter, **context: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application with these routes and this context."""
    app = FastAPI()
    problems.install(app)
    for router in routers:
        app.include_router(router)
    app.state.context = SimpleNamespace(**context)
    async with served_app(app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield client
