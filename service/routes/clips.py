"""`/clips`: stretches of live streams with the boxes seen in them; `/streams/{id}/recordings` begins one."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, Response, StreamingResponse

from service.clips.clip import Clip
from service.clips.schemas import ClipId, ClipList, ClipTold, RecordAsked
from service.clips.zipped import zipped
from service.results import NDJSON
from service.routes.context import Shared
from service.routes.pictures import FOREVER, WEBP, PictureEnd, PictureWidth, picture_answer
from service.schemas import refusals

router = APIRouter(tags=["clips"], responses=refusals(401, 403, 422, 500))
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_EVENTS = {200: {"content": {"application/octet-stream": _BINARY}}, **refusals(404, 409)}
_LINES = {200: {"content": {NDJSON: {"schema": {"type": "string"}}}}, **refusals(404, 409)}
_ZIP = {200: {"content": {"application/zip": _BINARY}}, **refusals(404, 409)}
_PICTURE = {200: WEBP, **refusals(404, 409, 413, 415, 504)}


@router.post(
    "/streams/{stream_id}/recordings",
    status_code=202,
    summary="Record a stream",
    response_model=ClipTold,
    responses=refusals(400, 404, 409, 507),
)
async def record(stream_id: str, asked: RecordAsked, context: Shared, response: Response) -> dict[str, Any]:
    """Events from before now on, with the boxes that viewers get; `/clips/{id}` tells how it goes."""
    stream = context.runtime.stream(stream_id)
    clip = await context.clips.record(stream.id, asked.before_s, asked.after_s, asked.format)
    response.headers["Location"] = f"/clips/{clip.id}"
    return clip.describe()


@router.get("/clips", summary="All clips, newest first", response_model=ClipList)
async def list_clips(
    context: Shared,
    stream: Annotated[str | None, Query(max_length=100, description="Id or name of one stream.")] = None,
) -> dict[str, Any]:
    """Those being written, those that failed lately, and those that are whole."""
    return {"clips": [clip.describe() for clip in context.clips.list(stream)]}


@router.get("/clips/{clip_id}", summary="One of them", response_model=ClipTold, responses=refusals(404))
async def read(clip_id: ClipId, context: Shared) -> dict[str, Any]:
    return context.clips.get(clip_id).describe()


@router.post(
    "/clips/{clip_id}/stop",
    status_code=202,
    summary="End a recording now",
    response_model=ClipTold,
    responses=refusals(404),
)
async def stop(clip_id: ClipId, context: Shared) -> dict[str, Any]:
    """What was recorded so far is kept; nothing happens where it is over."""
    return context.clips.stop(clip_id).describe()


@router.delete("/clips/{clip_id}", status_code=204, summary="Delete a clip", responses=refusals(404, 409))
async def remove(clip_id: ClipId, context: Shared) -> None:
    await context.clips.remove(clip_id)


@router.get("/clips/{clip_id}/events", summary="Its events", response_class=FileResponse, responses=_EVENTS)
async def events(clip_id: ClipId, context: Shared) -> Response:
    """AEDAT4 or Prophesee RAW EVT3."""
    clip, files = context.clips.files(clip_id)
    name = f"{_stem(clip)}{files.events.suffix}"
    return FileResponse(files.events, media_type="application/octet-stream", filename=name, headers=FOREVER)


@router.get("/clips/{clip_id}/boxes", summary="Its boxes", response_class=FileResponse, responses=_LINES)
async def boxes(clip_id: ClipId, context: Shared) -> Response:
    """One JSON message a line, as the viewers got them: `detections`, `tracks`, and what happened."""
    clip, files = context.clips.files(clip_id)
    name = f"{_stem(clip)}.boxes.jsonl"
    return FileResponse(files.boxes, media_type=NDJSON, filename=name, headers=FOREVER)


@router.get("/clips/{clip_id}/zip", summary="All of it", response_class=StreamingResponse, responses=_ZIP)
async def both(clip_id: ClipId, context: Shared) -> Response:
    """Events and boxes as one ZIP."""
    clip, files = context.clips.files(clip_id)
    stem = _stem(clip)
    parts = [(f"{stem}{files.events.suffix}", files.events), (f"{stem}.boxes.jsonl", files.boxes)]
    headers = {"Content-Disposition": f'attachment; filename="{stem}.zip"', **FOREVER}
    return StreamingResponse(
        await asyncio.to_thread(zipped, parts), media_type="application/zip", headers=headers
    )


@router.get(
    "/clips/{clip_id}/picture",
    summary="Its events around a time",
    response_class=Response,
    responses=_PICTURE,
)
async def picture(
    clip_id: ClipId,
    context: Shared,
    t_us: PictureEnd = None,
    width: PictureWidth = 640,
) -> Response:
    """WebP of the events of the 40 ms (more in clips over 80 s) up to `t_us`, as of a kept recording."""
    clip = context.clips.get(clip_id)
    strip = await context.clips.strip(clip_id, width)
    end_us = (clip.last_t_us or 0) + 1 if t_us is None else t_us
    start_us, end_us, webp = await strip.picture(end_us)
    return picture_answer(webp, start_us, end_us)


def _stem(clip: Clip) -> str:
    """A file's name without its suffix, of letters that every disk takes."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", clip.name).strip("-.") or clip.id
