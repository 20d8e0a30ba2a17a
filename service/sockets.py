"""WebSockets: every refusal is a message with a reason, never a socket dropped without a word."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from service.errors import error_message, problem_of
from service.runtime import LiveStream

_REASON_BYTES = 120  # a close frame holds at most 123


async def refuse(socket: WebSocket, error: Exception) -> None:
    """`error {code, message, fatal}`, then a close with the error's code.

    The socket is accepted for it: a refused handshake shows browsers no reason at all.
    """
    if socket.application_state is WebSocketState.CONNECTING:
        await socket.accept()
    await end(socket, error)


async def end(socket: WebSocket, error: Exception) -> None:
    """The error and the close on an accepted socket; nothing where the client has left."""
    if socket.application_state is not WebSocketState.CONNECTED:
        return
    try:
        await send(socket, error_message(error, fatal=True))
        await close(socket, problem_of(error).ws_code, problem_of(error).slug)
    except (WebSocketDisconnect, RuntimeError):
        return


async def send(socket: WebSocket, message: dict[str, Any] | bytes) -> None:
    """JSON text for a dict, a binary frame for bytes."""
    if isinstance(message, bytes):
        await socket.send_bytes(message)
    else:
        await socket.send_text(json.dumps(message, separators=(",", ":"), allow_nan=False))


async def close(socket: WebSocket, code: int, reason: str = "") -> None:
    if socket.application_state is WebSocketState.CONNECTED:
        await socket.close(code, reason.encode()[:_REASON_BYTES].decode(errors="ignore"))


async def show(socket: WebSocket, stream: LiveStream, view_width: int | None) -> int:
    """Sends `stream`'s messages until it ends; the close code that fits how it ended."""
    async with stream.subscribe(view_width) as viewer:
        return await viewer.pump(partial(send, socket))


async def first_done(*works: asyncio.Task[Any]) -> asyncio.Task[Any]:
    """Waits for the first of `works`, cancels the others; which one it was."""
    try:
        done, _ = await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)
    return next(work for work in works if work in done)
