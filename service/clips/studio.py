"""`Studio`: begins recordings, gives them room while they are written, and finishes them."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog

from service import readings
from service.channel import Message
from service.clips.boxes import BoxesFile
from service.clips.clip import Clip, ClipFiles, ClipFormat
from service.clips.library import Library
from service.clips.mending import mend
from service.clips.recorder import Recorder
from service.clips.recording import Recording
from service.clips.room import Room
from service.errors import BadRequest, NoRoomForClips, NotRecordable
from service.observers import StreamPort
from service.settings import Settings
from service.source_messages import ClipNews
from streaming.errors import StreamingError
from streaming.limits import Limits

MOST_AT_ONCE = 4
"""Recordings of one stream at the same time."""
LARGEST_EVT3 = 2048
MEND_S = 600.0

_log = structlog.get_logger("service.clips")


class Studio:
    """What is being written.

    Args:
        library: takes what is over.
        settings: of the service.

    Attributes:
        recorders: of the live streams, by id.
        mending: clips whose writers are gone, while what they left is mended.
        room: what clips may take.
    """

    def __init__(self, library: Library, settings: Settings) -> None:
        self.recorders: dict[str, Recorder] = {}
        self.mending: dict[str, Clip] = {}
        self.room = Room(
            library.shelf.folder,
            settings.clips_max_mb << 20,
            settings.disk_reserve_bytes,
            lambda: library.size_bytes,
            library.drop_oldest,
        )
        self._library, self._settings = library, settings
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Waits for what is being finished; what takes longer is mended by the next run."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.shutdown_s / 2)
        for task in self._tasks:
            task.cancel()

    def cards(self) -> list[Clip]:
        """All clips that are not over."""
        recorders = self.recorders.values()
        writing = [recording.card() for recorder in recorders for recording in recorder.recordings.values()]
        return [*writing, *self.mending.values()]

    async def begin(
        self,
        recorder: Recorder,
        before_s: float,
        after_s: float,
        format_: ClipFormat | None = None,
        reason: Message | None = None,
    ) -> Recording:
        """Begins to record; `reason` is an alarm's message.

        Raises:
            BadRequest: EVT3 was asked for and cannot hold the sensor.
            NotRecordable: the source is not there, or too much of it is recorded already.
            NoRoomForClips: neither by removing old clips.
        """
        stream, now_s = recorder.stream, time.monotonic()
        _check_ready(recorder)
        clip = self._new_clip(stream, before_s, after_s, format_, reason)
        files = ClipFiles.of(self._library.shelf.folder, clip)
        reserve_bytes = self._settings.disk_reserve_bytes
        recording = Recording(
            clip,
            stream,
            BoxesFile(files.boxes_part, reserve_bytes),
            recorder.seen_since(now_s - before_s),
            now_s + after_s,
            now_s + self._settings.clips_longest_s,
        )
        recording.lease_bytes = await self.room.lease(clip.id, self.room.step)
        try:
            await asyncio.to_thread(self._library.shelf.order, clip)
            _check_ready(recorder)
        except BaseException:
            self.room.give_back(clip.id)
            await asyncio.to_thread(self._library.shelf.remove, clip)
            raise
        recorder.recordings[clip.id] = recording
        stream.command(recording.order(str(files.events_part), clip.format, reserve_bytes))
        stream.publish(_message(recording.card()))
        return recording

    def mend(self, clip: Clip) -> None:
        """Saves what a run before this one has left of a clip."""
        self.mending[clip.id] = clip
        self._start(self._mend(replace(clip, note="the service ended while it was written"), None))

    # what recorders bring, see recorder.ClipKeeper

    def around(self, recorder: Recorder, before_s: float, after_s: float, reason: Message) -> None:
        self._start(self._around(recorder, before_s, after_s, reason))

    def heard(self, recorder: Recorder, recording: Recording, news: ClipNews) -> None:
        recording.hear(news)
        self.room.used(recording.clip.id, news.size_bytes)
        recorder.stream.publish(_message(recording.card()))
        if recording.writing:
            self._start(self._lengthen(recorder, recording, news.wants_bytes))
        self.due(recorder, recording)

    def due(self, recorder: Recorder, recording: Recording) -> None:
        over = recording.finished(time.monotonic()) or recorder.ended_already
        if over and recorder.recordings.pop(recording.clip.id, None) is not None:
            self.mending[recording.clip.id] = recording.card()
            self._start(self._finish(recorder.stream, recording))
        elif recording.boxes.due:
            self._start(self._flush(recording))

    def ended(self, recorder: Recorder) -> None:
        if self.recorders.get(recorder.stream.id) is recorder:
            del self.recorders[recorder.stream.id]

    async def _around(self, recorder: Recorder, before_s: float, after_s: float, reason: Message) -> None:
        settings = self._settings
        before_s = max(0.0, min(before_s, settings.ring_seconds))
        after_s = max(0.0, min(after_s, settings.clips_longest_s))
        async with recorder.turn:
            current = recorder.of_alarm
            if current is not None and current.extend(after_s, reason):
                command = {"type": "record_until", "id": current.clip.id, "until_s": current.until_s}
                recorder.stream.command(command)
                recorder.stream.publish(_message(current.card()))
                return
            try:
                recorder.of_alarm = await self.begin(recorder, before_s, after_s, reason=reason)
            except (NotRecordable, NoRoomForClips) as error:
                _log.warning("alarm not recorded", stream=recorder.stream.id, error=str(error))
                clip = self._new_clip(recorder.stream, before_s, after_s, None, reason)
                recorder.stream.publish(_message(await self._library.fail(clip, str(error))))

    async def _lengthen(self, recorder: Recorder, recording: Recording, wanted: int) -> None:
        """A longer lease where the writer comes near the end of its own, as far as there is room."""
        if wanted + self.room.step // 2 <= recording.lease_bytes:
            return
        for bytes_ in (wanted + self.room.step, wanted):
            try:
                recording.lease_bytes = await self.room.lease(recording.clip.id, bytes_)
            except NoRoomForClips:
                continue
            recorder.stream.command(recording.longer_lease())
            return

    async def _flush(self, recording: Recording) -> None:
        """Writes the boxes that wait, where there is room for them."""
        boxes, holder = recording.boxes, _boxes_of(recording.clip)
        try:
            await self.room.lease(holder, boxes.size_bytes)
        except NoRoomForClips as error:
            boxes.give_up(f"its boxes found no room: {error}")
        await boxes.flush()
        self.room.used(holder, boxes.size_bytes)

    async def _finish(self, stream: StreamPort, recording: Recording) -> None:
        await self._flush(recording)
        if recording.broken:
            await self._mend(recording.card(), stream)
        else:
            self._settle(await self._library.keep(recording.card()), stream)

    async def _mend(self, clip: Clip, stream: StreamPort | None) -> None:
        """Saves what a dead writer has left; `stream` is told."""
        files = ClipFiles.of(self._library.shelf.folder, clip)
        found: list[dict[str, Any]] = []
        memory_bytes = self._settings.parse_memory_mb << 20
        limits = replace(Limits.live(), memory_bytes=memory_bytes, wall_s=MEND_S, cpu_s=MEND_S)
        try:
            arguments = (files.events_part, files.events, files.boxes_part, files.boxes, clip.format)
            await readings.in_child(mend, arguments, limits, found.append)
        except (StreamingError, OSError) as error:
            note = f"{clip.note or 'its writer died'}; {error}"
            self._settle(await self._library.fail(clip, note), stream)
            return
        self._settle(await self._library.keep(replace(clip, **found[0])), stream)

    def _settle(self, clip: Clip, stream: StreamPort | None) -> None:
        """A clip is over, one way or the other."""
        self.mending.pop(clip.id, None)
        self.room.give_back(clip.id, _boxes_of(clip))
        _log.info("clip over", clip=clip.id, state=clip.state, bytes=clip.total_bytes, note=clip.note)
        if stream is not None:
            stream.publish(_message(clip))

    def _new_clip(
        self,
        stream: StreamPort,
        before_s: float,
        after_s: float,
        format_: ClipFormat | None,
        reason: Message | None,
    ) -> Clip:
        width, height = (0, 0) if stream.info is None else (stream.info.width, stream.info.height)
        return Clip(
            id=uuid.uuid4().hex,
            stream=stream.id,
            stream_name=stream.name,
            created=datetime.now(UTC).isoformat(timespec="milliseconds"),
            why="asked" if reason is None else "alarm",
            reasons=() if reason is None else (reason,),
            model=stream.spec.model,
            classes=stream.classes,
            format=self._format(max(width, height), format_),
            width=width,
            height=height,
            before_s=before_s,
            after_s=after_s,
        )

    def _format(self, side: int, asked: ClipFormat | None) -> ClipFormat:
        if side <= LARGEST_EVT3:
            return asked or self._settings.clips_format
        if asked == "evt3":
            raise BadRequest(
                f"found a sensor of {side} pixels a side; EVT3 holds {LARGEST_EVT3}. Ask for aedat4."
            )
        return "aedat4"

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="clips")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("work on a clip failed", exc_info=error)


def _check_ready(recorder: Recorder) -> None:
    if recorder.info is None:
        raise NotRecordable(f"the source of stream {recorder.stream.name} is not there now; try again")
    if len(recorder.recordings) >= MOST_AT_ONCE:
        raise NotRecordable(
            f"{len(recorder.recordings)} clips of stream {recorder.stream.name} are being written, which is "
            "the most allowed; stop one of them"
        )


def _boxes_of(clip: Clip) -> str:
    """Who holds the lease of a clip's boxes."""
    return f"{clip.id}.boxes"


def _message(clip: Clip) -> Message:
    return {"type": "clip", **clip.describe()}
