"""A real receiver of webhooks, on a real port, that answers as a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

from tests.servers import free_port


@dataclass
class Request:
    """What came."""

    headers: dict[str, str]
    body: bytes
    path: str


@dataclass
class Receiver:
    """Answers with `statuses` one after the other, the last of them for ever.

    Attributes:
        stuck: take requests and answer none.
        endless: answer without end.
    """

    statuses: list[int] = field(default_factory=lambda: [204])
    stuck: bool = False
    endless: bool = False
    location: str = ""
    url: str = ""
    requests: asyncio.Queue[Request] = field(default_factory=asyncio.Queue)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def next(self) -> Request:
        async with asyncio.timeout(20):
            return await self.requests.get()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        await self.requests.put(Request(headers, body, scope["path"]))
        if self.stuck:
            await receive()  # the client leaves
            self.gone.set()
            return
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        head: list[Any] = [(b"location", self.location.encode())] if self.location else []
        await send({"type": "http.response.start", "status": status, "headers": head})
        while self.endless and not self.gone.is_set():
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def receiving(
    receiver: Receiver, certificate: Path | None = None, port: int = 0
) -> AsyncIterator[Receiver]:
    """Serves it in this loop; with `certificate` (PEM of certificate and key) over TLS."""
    tls = {} if certificate is None else {"ssl_certfile": certificate, "ssl_keyfile": certificate}
    config = uvicorn.Config(
        receiver,
        port=port or free_port(),
        log_config=None,
        access_log=False,
        lifespan="off",
        **tls,  # type: ignore[arg-type]
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
        assert not task.done(), "the receiver did not start"
    receiver.url = f"{'https://localhost' if certificate else 'http://127.0.0.1'}:{config.port}/hook"
    try:
        yield receiver
    finally:
        receiver.gone.set()
        server.should_exit = True
        await task
