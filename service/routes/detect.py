"""`POST /detect`: a recording in, boxes out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from service.options import DetectOptions
from service.recordings import Kept
from service.results import NDJSON, Heading, Message, document, line, messages, told
from service.routes.context import Context, Shared
from service.routes.waiting import while_wanted
from service.schemas import DETECT_BODY, Detection, DetectQuery, JobState, refusals
from service.uploads import receive

router = APIRouter(tags=["detection"])
_SPOOL_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to look at.

    Attributes:
        path: the recording.
        owned: an upload of this request, to be removed after it.
    """

    path: Path
    owned: bool
    heading: Heading


@dataclass(frozen=True, slots=True)
class Wish:
    """A checked query.

    Attributes:
        kept: the recording to look at; None for the body.
    """

    kept: Kept | None
    options: DetectOptions


async def wish_of(query: Annotated[DetectQuery, Query()], context: Shared) -> Wish:
    """Checked before a byte of the body is read."""
    options = query.options(context.model_name(query.model))
    if query.recording is None:
        return Wish(None, options)
    clips, asked = context.clips, query.recording
    kept = clips.as_recording(asked) if clips.holds(asked) else context.recordings.get(asked)
    # What had to be said when it was kept need not be said again.
    known = replace(
        options,
        format=options.format or kept.format,
        width=options.width or kept.width,
        height=options.height or kept.height,
    )
    return Wish(kept, known)


async def task_of(
    request: Request, wish: Annotated[Wish, Depends(wish_of)], context: Shared
) -> AsyncIterator[Task]:
    device = context.runtime.health().worker.device
    kept, options = wish.kept, wish.options
    if kept is not None:
        yield Task(kept.path, False, Heading(kept.name, kept.size_bytes, options, device))
        return
    upload = await receive(request, context.uploads, context.settings)
    try:
        yield Task(upload.path, True, Heading(upload.name, upload.size, options, device))
    finally:
        await upload.remove()


@router.post(
    "/detect",
    summary="Boxes of a recording",
    response_model=Detection,
    responses={
        200: {"content": {NDJSON: {"schema": {"type": "string"}}}},
        202: {"model": JobState, "description": "Taken as a job; `Location` says where to ask."},
        **refusals(401, 403, 404, 408, 409, 413, 415, 422, 500, 503, 504, 507),
    },
    openapi_extra={"requestBody": DETECT_BODY},
)
async def detect(
    request: Request,
    task: Annotated[Task, Depends(task_of)],
    context: Shared,
    accept: Annotated[str, Header()] = "*/*",
    prefer: Annotated[str, Header()] = "",
) -> Response:
    """Looks at an upload (raw body or form part `file`) or at a kept recording or clip (`recording=ID`).

    With `Accept: application/x-ndjson` answers come as they are made, one JSON object a line. With
    `Prefer: respond-async`, or where the upload is larger than `sync_limit_bytes`, it becomes a job.
    """
    asked = "respond-async" in prefer.lower()
    if asked or task.heading.size_bytes > context.settings.sync_limit_bytes:
        return await _as_job(task, context, asked)
    run = context.runtime.detect(task.path, task.heading.options)
    stream = messages(run, task.heading)
    if NDJSON in accept.lower():
        return await _as_lines(request, stream, context.settings.deadline_s)
    return await _as_document(request, stream, context)


async def _as_job(task: Task, context: Context, asked: bool) -> Response:
    options = task.heading.options
    job = await context.jobs.submit(
        lambda path: context.runtime.detect(path, options), task.path, task.heading, owned=task.owned
    )
    headers = {"Location": f"/jobs/{job.id}"} | ({"Preference-Applied": "respond-async"} if asked else {})
    return JSONResponse(job.describe(), 202, headers)


async def _as_lines(request: Request, stream: AsyncGenerator[Message], deadline_s: float) -> Response:
    try:
        first = await while_wanted(request, _first(stream), deadline_s)
    except BaseException:
        await stream.aclose()
        raise
    return LinesResponse(first, stream)


async def _first(stream: AsyncGenerator[Message]) -> list[Message]:
    # What is wrong with most files shows before the first answer: then the status line can still say so.
    return [await anext(stream), await anext(stream)]


class LinesResponse(StreamingResponse):
    """NDJSON of messages; closes their generator, and with it the detection, however the answer ends."""

    def __init__(self, first: list[Message], stream: AsyncGenerator[Message]) -> None:
        self._stream = stream
        super().__init__(_lines(first, stream), media_type=NDJSON, headers={"X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._stream.aclose()


async def _lines(first: list[Message], stream: AsyncGenerator[Message]) -> AsyncIterator[bytes]:
    for message in first:
        yield line(message)
    async with aclosing(told(stream)) as rest:
        async for message in rest:
            yield line(message)


async def _as_document(request: Request, stream: AsyncGenerator[Message], context: Context) -> Response:
    # Spooled and not gathered in memory: a small file can hold hours.
    spool = SpooledTemporaryFile(_SPOOL_BYTES, dir=str(context.uploads))  # noqa: SIM115 - closed by its reader
    try:
        await while_wanted(request, _fill(spool, stream), context.settings.deadline_s)
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    return StreamingResponse(_emptied(spool), media_type="application/json")


async def _fill(spool: IO[bytes], stream: AsyncGenerator[Message]) -> None:
    async with aclosing(stream):
        async for message in stream:
            spool.write(line(message))


def _emptied(spool: IO[bytes]) -> Any:
    with spool:
        yield from document(spool)
