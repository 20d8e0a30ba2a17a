"""`/recordings`: uploads kept for replay and scrubbing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, Response

from service.recordings import Kept
from service.routes.context import Shared
from service.routes.pictures import WEBP, PictureEnd, PictureWidth, picture_answer
from service.routes.waiting import while_wanted
from service.schemas import DETECT_BODY, KeepQuery, KeptRecording, KeptRecordings, refusals
from service.uploads import Upload, receive

router = APIRouter(prefix="/recordings", tags=["recordings"], responses=refusals(401, 403, 422, 500))
_FILE = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


async def upload_of(
    request: Request, query: Annotated[KeepQuery, Query()], context: Shared
) -> AsyncIterator[tuple[Upload, KeepQuery]]:
    upload = await receive(request, context.uploads, context.settings)
    try:
        yield upload, query
    finally:
        await upload.remove()


async def kept_of(recording_id: str, context: Shared) -> Kept:
    return context.recordings.get(recording_id)


Asked = Annotated[Kept, Depends(kept_of)]


@router.post(
    "",
    status_code=201,
    summary="Keep a recording",
    response_model=KeptRecording,
    responses=refusals(408, 413, 415, 503, 504, 507),
    openapi_extra={"requestBody": DETECT_BODY},
)
async def keep(
    request: Request,
    sent: Annotated[tuple[Upload, KeepQuery], Depends(upload_of)],
    context: Shared,
    response: Response,
) -> dict[str, Any]:
    """Keeps it where nothing is wrong with it; past `max_recordings` the one unused longest goes."""
    upload, query = sent
    reading = context.recordings.keep(upload, query.format, query.width, query.height)
    kept = await while_wanted(request, reading, context.settings.deadline_s)
    response.headers["Location"] = f"/recordings/{kept.id}"
    return kept.describe()


@router.get("", summary="All kept recordings, newest first", response_model=KeptRecordings)
async def list_recordings(context: Shared) -> dict[str, Any]:
    return {"recordings": [kept.describe() for kept in context.recordings.list()]}


@router.get("/{recording_id}", summary="One of them", response_model=KeptRecording, responses=refusals(404))
async def read(kept: Asked) -> dict[str, Any]:
    return kept.describe()


@router.delete("/{recording_id}", status_code=204, summary="Forget a recording", responses=refusals(404))
async def forget(recording_id: str, context: Shared) -> None:
    await context.recordings.remove(recording_id)


@router.get(
    "/{recording_id}/file",
    summary="The recording, as it was sent",
    response_class=FileResponse,
    responses={200: _FILE, **refusals(404)},
)
async def file(kept: Asked) -> FileResponse:
    return FileResponse(kept.path, media_type="application/octet-stream", filename=kept.name)


@router.get(
    "/{recording_id}/picture",
    summary="Its events around a time",
    response_class=Response,
    responses={200: WEBP, **refusals(404, 413, 415, 504)},
)
async def picture(
    kept: Asked,
    context: Shared,
    t_us: PictureEnd = None,
    width: PictureWidth = 640,
) -> Response:
    """WebP of the events of the 40 ms (more in recordings over 80 s) up to `t_us`, on its own clock.

    The first call draws all pictures of the recording; the header `X-Picture-T-Us` gives start and end.
    """
    strip = await context.recordings.strip(kept, width)
    start_us, end_us, webp = await strip.picture(_end_us(kept) if t_us is None else t_us)
    return picture_answer(webp, start_us, end_us)


def _end_us(kept: Kept) -> int:
    return 0 if kept.last_t_us is None else kept.last_t_us + 1
