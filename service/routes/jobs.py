"""`/jobs`: detections that outlive their request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import FileResponse, StreamingResponse

from service import jobs
from service.results import NDJSON, document
from service.routes.context import Shared
from service.schemas import Detection, JobList, JobState, refusals

router = APIRouter(prefix="/jobs", tags=["jobs"], responses=refusals(401, 403, 404, 422, 500))


async def job_of(job_id: str, context: Shared) -> jobs.Job:
    return context.jobs.get(job_id)


Asked = Annotated[jobs.Job, Depends(job_of)]


@router.get("", summary="All jobs", response_model=JobList)
async def list_jobs(context: Shared) -> dict[str, Any]:
    return {"jobs": [job.describe() for job in context.jobs.list()]}


@router.get("/{job_id}", summary="State, progress and time left", response_model=JobState)
async def read(job: Asked) -> dict[str, Any]:
    return job.describe()


@router.get("/{job_id}/events", summary="The same as server-sent events", response_class=EventSourceResponse)
async def follow(job: Asked) -> AsyncIterator[ServerSentEvent]:
    """An event `job` whenever something changes; the last one has an ended state."""
    async for state in jobs.events(job):
        yield ServerSentEvent(event="job", data=state)


@router.get(
    "/{job_id}/result",
    summary="What POST /detect would have answered",
    response_model=Detection,
    responses=refusals(408, 409, 413, 415, 503, 504, 507),
)
async def result(job: Asked, accept: Annotated[str, Header()] = "*/*") -> Response:
    """JSON, or NDJSON with `Accept: application/x-ndjson`. A failed job answers with its own problem."""
    job.check_result()
    if NDJSON in accept.lower():
        return FileResponse(job.result, media_type=NDJSON)
    return StreamingResponse(_document(job.result), media_type="application/json")


@router.delete("/{job_id}", status_code=204, summary="Cancel a job, or forget an ended one")
async def cancel(job_id: str, context: Shared) -> None:
    await context.jobs.cancel(job_id)


def _document(path: Path) -> Iterator[bytes]:
    with path.open("rb") as lines:
        yield from document(lines)
