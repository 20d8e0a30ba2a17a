"""`/detections`, `/tracks`, `/happenings`: what was seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import anyio
from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from service.errors import BadRequest
from service.routes.context import Shared
from service.routes.waiting import while_wanted
from service.schemas import refusals
from service.store import schemas, wire
from service.store.filters import Filter
from service.store.moments import iso
from service.store.paging import Ask, Cursor, Page
from service.store.tables import detections, happenings, tracks
from service.uploads import remove_folder

MOST_BUCKETS = 10_000
DEFAULT_BUCKETS = 120
EXPORT_S = 1_000.0  # above that of the child, whose words are better
_MEDIA = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet", "coco": "application/json"}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FILES = dict.fromkeys(_MEDIA.values(), _BINARY) | {_MEDIA["coco"]: {"schema": {"type": "object"}}}
_PIECE_BYTES = 256 << 10

router = APIRouter(tags=["history"], responses=refusals(401, 403, 404, 422, 500, 503, 504))


@router.get("/detections", summary="Boxes that were seen", response_model=schemas.DetectionPage)
async def list_detections(
    request: Request, query: Annotated[schemas.DetectionsQuery, Query()], context: Shared
) -> dict[str, Any]:
    """A page; `next` is the path of the one after it. Of each stream at most one answer's boxes each
    `history_interval_ms` are kept."""
    found = await context.history.page(detections, _ask(query, _seen(query, context)))
    return _answer("detections", found, wire.detection, request)


@router.get("/detections/counts", summary="Boxes and tracks over time", response_model=schemas.Counts)
async def count(query: Annotated[schemas.CountsQuery, Query()], context: Shared) -> dict[str, Any]:
    """Without `from`, the last 120 buckets."""
    bucket_us = 1_000_000 * schemas.bucket_s(query.bucket)
    to_us = time.time_ns() // 1000 if query.to is None else query.to
    from_us = to_us - DEFAULT_BUCKETS * bucket_us if query.from_ is None else query.from_
    from_us -= from_us % bucket_us
    if (to_us - from_us) // bucket_us >= MOST_BUCKETS:
        raise BadRequest(
            f"bucket is {query.bucket}, of which {(to_us - from_us) // bucket_us} lie between from and to; "
            f"{MOST_BUCKETS} are allowed. Take a longer one, or less time"
        )
    asked = _seen(query, context, max(from_us, 0), to_us)
    found = await context.history.counts(asked, bucket_us)
    return {
        "bucket_s": bucket_us // 1_000_000,
        "begin": iso(max(from_us, 0)),
        "end": iso(to_us),
        "buckets": list(wire.buckets(found)),
    }


@router.get(
    "/detections/export",
    summary="Boxes as a file",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The file.", "content": _FILES},
        **refusals(501, 507),
    },
)
async def export(
    request: Request, query: Annotated[schemas.ExportQuery, Query()], context: Shared
) -> StreamingResponse:
    """CSV, Parquet or COCO, the oldest first; written whole before the first byte is sent."""
    work = context.history.export(_seen(query, context), query.format)
    path = await while_wanted(request, work, EXPORT_S)
    file, size = await anyio.to_thread.run_sync(_detached, path)
    headers = {
        "Content-Disposition": f'attachment; filename="{path.name}"',
        "Content-Length": str(size),
        "Cache-Control": "no-store",
    }
    return StreamingResponse(_pieces(file), media_type=_MEDIA[query.format], headers=headers)


@router.get("/tracks", summary="Tracks that have ended", response_model=schemas.TrackPage)
async def list_tracks(
    request: Request, query: Annotated[schemas.TracksQuery, Query()], context: Shared
) -> dict[str, Any]:
    """Those that lived at a time between `from` and `to`, by the time of their end."""
    asked = Filter(
        streams=tuple(query.stream),
        from_us=query.from_,
        to_us=query.to,
        classes=tuple(query.class_),
        min_score=query.min_score,
        track_id=query.track_id,
    )
    found = await context.history.page(tracks, _ask(query, asked))
    return _answer("tracks", found, wire.track, request)


@router.get("/happenings", summary="Zone events, alarms and the like", response_model=schemas.HappeningPage)
async def list_happenings(
    request: Request, query: Annotated[schemas.HappeningsQuery, Query()], context: Shared
) -> dict[str, Any]:
    """Messages that viewers of streams were sent."""
    asked = Filter(tuple(query.stream), query.from_, query.to, kinds=tuple(query.kind))
    found = await context.history.page(happenings, _ask(query, asked))
    return _answer("happenings", found, wire.happening, request)


def _seen(
    query: schemas.SeenQuery, context: Shared, from_us: int | None = None, to_us: int | None = None
) -> Filter:
    streams = tuple(query.stream)
    return Filter(
        streams=streams,
        from_us=query.from_ if from_us is None else from_us,
        to_us=query.to if to_us is None else to_us,
        classes=tuple(query.class_),
        area=None if query.zone is None else context.history.area(streams, query.zone),
        min_score=query.min_score,
        track_id=query.track_id,
    )


def _ask(query: schemas.Paged, asked: Filter) -> Ask:
    after = None if query.cursor is None else Cursor.parse(query.cursor)
    return Ask(asked, after, query.limit, newest_first=query.order == "newest")


def _answer(name: str, found: Page, told: Callable[[Any], wire.Json], request: Request) -> dict[str, Any]:
    url = request.url.include_query_params(cursor=str(found.next))
    following = None if found.next is None else f"{url.path}?{url.query}"
    return {name: [told(row) for row in found.rows], "next": following}


def _detached(path: Path) -> tuple[BinaryIO, int]:
    """The file, open and gone from its folder: it disappears with the answer, however that ends."""
    file = path.open("rb")
    remove_folder(path.parent)
    return file, file.seek(0, 2)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(_PIECE_BYTES):
            yield piece
