"""What routes share: the runtime, the jobs, the kept recordings and the settings of one application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import anyio
from fastapi import Depends
from starlette.requests import HTTPConnection

from model.errors import UnknownModel
from service.alarms.alarms import Alarms
from service.cameras import Cameras
from service.clips.clips import Clips
from service.errors import UnknownStream, UnknownZone
from service.history import History
from service.jobs import Jobs
from service.recordings import Recordings
from service.runtime import Runtime
from service.sensor import SensorWatch
from service.settings import Settings
from service.store.area import Area
from service.uploads import remove_folder
from service.zones.zones import Zones


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a route may use.

    Attributes:
        uploads: folder of bodies while their request lasts.
    """

    settings: Settings
    runtime: Runtime
    jobs: Jobs
    recordings: Recordings
    uploads: Path
    history: History
    zones: Zones
    alarms: Alarms
    clips: Clips
    sensors: SensorWatch
    cameras: Cameras = field(default_factory=Cameras)

    def model_name(self, asked: str | None, *, live: bool = False) -> str:
        """`asked`, or the default, which live streams have one of their own. Raises `UnknownModel`."""
        known = [card.name for card in self.runtime.models()]
        name = asked or (self.runtime.live_model if live else self.settings.model)
        if name in known:
            return name
        raise UnknownModel(
            f"found model {name[:100]!r}; known are {', '.join(sorted(known))}. /models describes them."
        )


def context_of(connection: HTTPConnection) -> Context:
    found: Context = connection.app.state.context
    return found


Shared = Annotated[Context, Depends(context_of)]


@asynccontextmanager
async def open_context(settings: Settings, runtime: Runtime) -> AsyncIterator[Context]:
    """The context while the application runs; folders of the last run are emptied first."""
    async with AsyncExitStack() as stack:
        data = await stack.enter_async_context(_data_folder(settings))
        uploads, jobs = await _fresh(data / "uploads"), await _fresh(data / "jobs")
        recordings = await Recordings.open(data / "recordings", settings)
        stack.push_async_callback(recordings.close)
        history = await stack.enter_async_context(await History.open(settings, data))
        zones = Zones(history.documents, runtime.telemetry, settings.max_zones)
        await zones.open()
        stack.push_async_callback(zones.close)
        alarms = Alarms(history.documents, runtime.telemetry, zones, settings)
        await alarms.open()
        stack.push_async_callback(alarms.close)
        clips = await Clips.open(data / "clips", settings)
        stack.push_async_callback(clips.close)
        context = Context(
            settings,
            runtime,
            Jobs(jobs, settings.max_jobs, settings.job_ttl_s),
            recordings,
            uploads,
            history,
            zones,
            alarms,
            clips,
            SensorWatch(runtime.telemetry.registry),
        )
        stack.push_async_callback(context.jobs.close)
        _observe(context)
        # Streams end before those who look at them.
        stack.push_async_callback(runtime.stop_streams)
        await runtime.restore(history.documents, history.last_track_id)
        await zones.keep_only(runtime.streams)
        yield context


def _observe(context: Context) -> None:
    """Lets everything look at streams that does; zones first, because others look at what they find."""
    context.runtime.count_queues(lambda: [context.alarms.outbox.queue(), *context.history.health()["queues"]])
    context.history.zone_of = partial(_area, context)
    for one in (context.zones, context.sensors, context.alarms, context.clips, context.history):
        context.runtime.observe_with(one.observe)


def _area(context: Context, stream: str, zone: str) -> Area | None:
    try:
        found = context.zones.get(context.runtime.stream(stream).id, zone)
        points = context.zones.polygon(context.runtime.stream(stream).id, zone)
    except (UnknownStream, UnknownZone):
        return None
    return Area(points, found.anchor)


@asynccontextmanager
async def _data_folder(settings: Settings) -> AsyncIterator[Path]:
    if settings.data_dir is not None:
        yield settings.data_dir
        return
    folder = await anyio.to_thread.run_sync(lambda: TemporaryDirectory(prefix="spikesight-"))
    try:
        yield Path(folder.name)
    finally:
        await anyio.to_thread.run_sync(folder.cleanup)


async def _fresh(folder: Path) -> Path:
    await anyio.to_thread.run_sync(_empty, folder)
    return folder


def _empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.iterdir():
        if leftover.is_dir():
            remove_folder(leftover)
        else:
            leftover.unlink()
