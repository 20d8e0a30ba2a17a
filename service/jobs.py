"""Jobs: detections that outlive their request, bounded in number and kept for a while."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

import structlog

from service.errors import JobCancelled, JobUnfinished, QueueFull, UnknownJob
from service.problems import problem_body
from service.results import Heading, line, messages
from service.runtime import DetectRun
from service.uploads import remove_folder

State = Literal["queued", "running", "done", "failed", "cancelled"]
_log = structlog.get_logger("service.jobs")
_EVENT_EVERY_S = 0.5
_LEAST_PROGRESS_FOR_ETA = 0.02


@dataclass(slots=True, eq=False)
class Job:
    """One detection in the background.

    Attributes:
        id: its name in URLs.
        run: the detection; progress and count of answers come from it.
        folder: what belongs to it on disk.
        upload: its recording, removed at its end; None where the recording belongs to somebody else.
        error: what went wrong, where `state` is failed.
    """

    id: str
    run: DetectRun
    heading: Heading
    folder: Path
    upload: Path | None
    state: State = "queued"
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    running_since_s: float | None = None
    error: Exception | None = None
    task: asyncio.Task[None] | None = None

    @property
    def result(self) -> Path:
        """NDJSON of its messages, whole once `state` is done."""
        return self.folder / "result.ndjson"

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed", "cancelled")

    @property
    def progress(self) -> float:
        return 1.0 if self.state == "done" else min(max(self.run.progress, 0.0), 1.0)

    @property
    def eta_s(self) -> float | None:
        """Seconds left, as far as the pace so far tells."""
        if self.running_since_s is None or self.ended or self.progress < _LEAST_PROGRESS_FOR_ETA:
            return None
        passed_s = time.monotonic() - self.running_since_s
        return round(passed_s * (1 - self.progress) / self.progress, 1)

    def describe(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "state": self.state,
            "progress": round(self.progress, 4),
            "eta_s": self.eta_s,
            "answers": self.run.answers,
            "model": self.heading.options.model,
            "name": self.heading.name,
            "created": self.created.isoformat(timespec="milliseconds"),
            "problem": None if self.error is None else problem_body(self.error),
        }

    def check_result(self) -> None:
        """Raises what stands in the way of a result: JobUnfinished, JobCancelled, or the job's own error."""
        if self.error is not None:
            raise self.error
        if self.state == "cancelled":
            raise JobCancelled(f"job {self.id} was cancelled after {self.run.answers} answers; post it again")
        if self.state != "done":
            raise JobUnfinished(
                f"job {self.id} is {self.state}, {self.progress:.0%} done; ask again when its state is done, "
                f"or follow /jobs/{self.id}/events"
            )


class Jobs:
    """All jobs of this process; they end with it.

    Args:
        folder: where results and recordings of jobs lie.
        max_jobs: jobs kept, ended ones included; the oldest ended one makes room.
        ttl_s: how long an ended job is kept, seconds.
    """

    def __init__(self, folder: Path, max_jobs: int, ttl_s: float) -> None:
        self._folder, self._max_jobs, self._ttl_s = folder, max_jobs, ttl_s
        self._jobs: dict[str, Job] = {}

    async def submit(
        self, start: Callable[[Path], DetectRun], recording: Path, heading: Heading, *, owned: bool
    ) -> Job:
        """Starts a detection of `recording` in the background.

        Args:
            start: makes the detection of a path.
            recording: what to look at.
            heading: what is known of it.
            owned: it lies alone in a folder, which moves to the job and ends with it.

        Raises:
            QueueFull: as many jobs as are allowed have not ended, or as many detections wait.
        """
        await self._make_room()
        name = uuid.uuid4().hex
        folder = self._folder / name
        if owned:
            await asyncio.to_thread(recording.parent.rename, folder)
            recording = folder / recording.name
        else:
            await asyncio.to_thread(folder.mkdir)
        try:
            job = Job(name, start(recording), heading, folder, recording if owned else None)
        except BaseException:
            await asyncio.to_thread(remove_folder, folder)
            raise
        self._jobs[name] = job
        job.task = asyncio.create_task(self._work(job), name=f"job {name}")
        return job

    def get(self, job_id: str) -> Job:
        """Raises `UnknownJob`."""
        if job_id not in self._jobs:
            raise UnknownJob(f"found no job {job_id!r}; jobs are forgotten {self._ttl_s:g} s after their end")
        return self._jobs[job_id]

    def list(self) -> list[Job]:
        return list(self._jobs.values())

    async def cancel(self, job_id: str) -> None:
        """Stops a job that runs, forgets one that has ended."""
        job = self.get(job_id)
        if job.ended:
            await self._forget(job)
        else:
            await _stop(job)

    async def close(self) -> None:
        for job in self.list():
            await _stop(job)

    async def _make_room(self) -> None:
        if len(self._jobs) < self._max_jobs:
            return
        ended = [job for job in self._jobs.values() if job.ended]
        if not ended:
            raise QueueFull(
                f"found {len(self._jobs)} unfinished jobs, {self._max_jobs} are allowed; try later"
            )
        await self._forget(ended[0])

    async def _work(self, job: Job) -> None:
        try:
            await _write_result(job)
            job.state = "done"
        except asyncio.CancelledError:
            job.state = "cancelled"
        except Exception as error:  # noqa: BLE001 - the edge of a background task: kept as the job's state
            job.state, job.error = "failed", error
            _log.warning("job failed", job=job.id, error=repr(error))
        finally:
            await asyncio.to_thread(_remove, job.upload)
            asyncio.get_running_loop().call_later(self._ttl_s, self._expire, job)

    def _expire(self, job: Job) -> None:
        job.task = asyncio.create_task(self._forget(job))

    async def _forget(self, job: Job) -> None:
        self._jobs.pop(job.id, None)
        await asyncio.to_thread(remove_folder, job.folder)


async def events(job: Job) -> AsyncIterator[dict[str, Any]]:
    """What `describe` says, whenever it changes, until the job has ended."""
    shown: dict[str, Any] | None = None
    while not job.ended:
        if (now := job.describe()) != shown:
            shown = now
            yield now
        if job.task is not None:
            await asyncio.wait([job.task], timeout=_EVENT_EVERY_S)
    yield job.describe()


async def _stop(job: Job) -> None:
    if job.task is not None and not job.ended:
        job.task.cancel()
        await asyncio.wait([job.task])
    if not job.ended:
        # Cancelled before its first turn: the task never saw it.
        job.state = "cancelled"
        await job.run.cancel()
        await asyncio.to_thread(_remove, job.upload)


async def _write_result(job: Job) -> None:
    async with aclosing(messages(job.run, job.heading)) as stream:
        with await asyncio.to_thread(job.result.open, "wb") as file:
            await _write_lines(job, stream, file)


async def _write_lines(job: Job, stream: AsyncGenerator[dict[str, Any]], file: BinaryIO) -> None:
    async for message in stream:
        if job.running_since_s is None:
            job.state, job.running_since_s = "running", time.monotonic()
        await asyncio.to_thread(file.write, line(message))


def _remove(path: Path | None) -> None:
    if path is not None:
        path.unlink(missing_ok=True)
