"""`/streams`: sources that the service reads itself."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from service.addresses import resolve, shown
from service.routes.context import Context, Shared
from service.runtime import LiveStream
from service.schemas import StreamChange, StreamList, StreamRequest, StreamState, refusals

router = APIRouter(prefix="/streams", tags=["streams"], responses=refusals(401, 403, 422, 500))


async def stream_of(stream_id: str, context: Shared) -> LiveStream:
    return context.runtime.stream(stream_id)


Asked = Annotated[LiveStream, Depends(stream_of)]


@router.post(
    "",
    status_code=201,
    summary="Start a source",
    response_model=StreamState,
    responses=refusals(400, 404, 409, 413, 415, 429, 503),
)
async def start(asked: StreamRequest, context: Shared) -> dict[str, Any]:
    """`WS /streams/{id}/live` watches it. It ends by DELETE; without `keep` also unwatched, or by an error.

    A camera or a peer that is not there yet is waited for: `link` says so.
    """
    source, kept = resolve(asked.source, context.recordings, context.settings.recordings_dir, context.clips)
    size = (None, None) if kept is None else (kept.width, kept.height)
    spec = asked.spec(source, context.model_name(asked.model, live=True), size)
    return described(await context.runtime.start_stream(spec), context)


@router.get("", summary="All running streams", response_model=StreamList)
async def list_streams(context: Shared) -> dict[str, Any]:
    return {"streams": [described(stream, context) for stream in context.runtime.streams.values()]}


@router.get("/{stream_id}", summary="One stream", response_model=StreamState, responses=refusals(404))
async def read(stream: Asked, context: Shared) -> dict[str, Any]:
    return described(stream, context)


@router.patch(
    "/{stream_id}",
    summary="Change thresholds, model, policy or tracking",
    response_model=StreamState,
    responses=refusals(400, 404, 409),
)
async def change(stream: Asked, asked: StreamChange, context: Shared) -> dict[str, Any]:
    """Thresholds count from the next answer on; the others start the source again."""
    model = None if asked.model is None else context.model_name(asked.model)
    await stream.update(
        threshold=asked.threshold, iou=asked.iou, model=model, policy=asked.policy, track=asked.track
    )
    return described(stream, context)


@router.post(
    "/{stream_id}/reset", status_code=204, summary="Forget what was seen", responses=refusals(400, 404, 409)
)
async def reset(stream: Asked) -> None:
    """The network starts anew from a zero state; viewers get a `reset` message."""
    await stream.reset()


@router.delete("/{stream_id}", status_code=204, summary="Stop a stream", responses=refusals(404))
async def stop(stream: Asked, context: Shared) -> None:
    """Its zones go with it; what is remembered of it stays until it is too old."""
    await stream.stop()
    await context.zones.forget(stream.id)


def described(stream: LiveStream, context: Context) -> dict[str, Any]:
    """What `describe` says, with sources named as the caller named them."""
    return {**stream.describe(), "source": shown(stream.spec.source, context.recordings, context.clips)}
