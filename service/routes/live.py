"""WebSockets: watch a stream, or send events up and get boxes down."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.websockets import WebSocket
from starlette.websockets import WebSocketDisconnect

from model.errors import BadSetting, ModelError
from service import sockets
from service.errors import BadFrame, FrameTooLarge, ServiceError, error_message
from service.options import StreamSpec
from service.routes.context import Context, Shared
from service.runtime import LiveStream
from streaming.errors import StreamingError

router = APIRouter()
_KNOWN = (ServiceError, StreamingError, ModelError)
View = Annotated[str | None, Query()]


@router.websocket("/streams/{stream_id}/live")
async def watch(socket: WebSocket, stream_id: str, context: Shared, view: View = None) -> None:
    """`hello`, then every message of the stream; with `view=WIDTH` event pictures as binary frames."""
    try:
        stream = context.runtime.stream(stream_id)
        width = _whole("view", view)
        await socket.accept()
        await _watch(socket, stream, width)
    except WebSocketDisconnect:
        return  # the client left while something was being sent
    except _KNOWN as error:
        await sockets.refuse(socket, error)


async def _watch(socket: WebSocket, stream: LiveStream, width: int | None) -> None:
    showing = asyncio.create_task(sockets.show(socket, stream, width))
    leaving = asyncio.create_task(_until_left(socket))
    done = await sockets.first_done(showing, leaving)
    if done is showing:
        await sockets.close(socket, showing.result())


async def _until_left(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


@router.websocket("/live")
async def live(
    socket: WebSocket,
    context: Shared,
    width: View = None,
    height: View = None,
    model: View = None,
    threshold: View = None,
    iou: View = None,
    stride: View = None,
    view: View = None,
) -> None:
    """Binary `EVT0` frames up, messages down: a stream that ends with the socket."""
    try:
        spec = StreamSpec(
            source="push:",
            model=context.model_name(model, live=True),
            threshold=_number("threshold", threshold),
            iou=_number("iou", iou),
            stride=_whole("stride", stride),
            width=_needed("width", _whole("width", width)),
            height=_needed("height", _whole("height", height)),
        )
        await _serve(socket, context, spec, _whole("view", view))
    except WebSocketDisconnect:
        return  # the client left while something was being sent
    except _KNOWN as error:
        await sockets.refuse(socket, error)


async def _serve(socket: WebSocket, context: Context, spec: StreamSpec, view_width: int | None) -> None:
    stream = await context.runtime.start_stream(spec)
    try:
        await socket.accept()
        showing = asyncio.create_task(sockets.show(socket, stream, view_width))
        pushing = asyncio.create_task(_push_all(socket, stream, context.settings.max_frame_bytes))
        done = await sockets.first_done(showing, pushing)
        if done is showing:
            await sockets.close(socket, showing.result())
        else:
            pushing.result()
    finally:
        await stream.stop()


async def _push_all(socket: WebSocket, stream: LiveStream, most_bytes: int) -> None:
    """Every frame to the stream until the client leaves; a malformed one is told and passed over."""
    while (message := await socket.receive())["type"] != "websocket.disconnect":
        try:
            await _push(stream, message.get("bytes"), most_bytes)
        except FrameTooLarge:
            raise
        except BadFrame as error:
            await sockets.send(socket, error_message(error, fatal=False))


async def _push(stream: LiveStream, frame: bytes | None, most_bytes: int) -> None:
    if frame is None:
        raise BadFrame("found a text frame; events come as binary frames that start with EVT0 (docs/api.md)")
    if len(frame) > most_bytes:
        raise FrameTooLarge(
            f"found a frame of {len(frame)} bytes; the limit is {most_bytes}. Send shorter frames."
        )
    await stream.push(frame)


def _whole(name: str, text: str | None) -> int | None:
    number = _number(name, text)
    if number is not None and not number.is_integer():
        raise BadSetting(f"{name} is {text!r}; it must be a whole number")
    return None if number is None else int(number)


def _number(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise BadSetting(f"{name} is {text[:100]!r}; it must be a number") from None


def _needed(name: str, value: int | None) -> int:
    if value is None:
        raise BadSetting(f"{name} is missing; state the sensor's size: /live?width=640&height=480")
    return value
