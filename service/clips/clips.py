"""`Clips`: records stretches of live streams and keeps them within a quota; what routes and streams see."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path

from service.clips.clip import Clip, ClipFiles, ClipFormat
from service.clips.library import Library
from service.clips.recorder import Recorder
from service.clips.studio import Studio
from service.errors import BadRequest, NotRecordable, UnknownClip
from service.observers import Observer, StreamPort
from service.recordings import Kept
from service.settings import Settings
from service.strips import Strip


class Clips:
    """All clips of one data folder. Made by `open`."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._settings = settings
        self._library = Library(folder, settings)
        self._studio = Studio(self._library, settings)

    @classmethod
    async def open(cls, folder: Path, settings: Settings) -> Clips:
        """The clips that an earlier run left in `folder`; those that it was writing are mended meanwhile."""
        clips = cls(folder, settings)
        for clip in await clips._library.load():
            clips._studio.mend(clip)
        await clips._studio.room.trim()
        return clips

    async def close(self) -> None:
        """Finishes what it can; streams must have ended before."""
        await self._studio.close()
        await self._library.close()

    def observe(self, stream: StreamPort) -> Observer:
        """The observer of one stream."""
        recorder = self._studio.recorders[stream.id] = Recorder(stream, self._settings, self._studio)
        return recorder

    async def record(
        self, stream_id: str, before_s: float, after_s: float, format_: ClipFormat | None = None
    ) -> Clip:
        """Begins to record a stream.

        Args:
            stream_id: of a running stream.
            before_s: seconds before now, at most `ring_seconds`.
            after_s: seconds from now on, at most `clips_longest_s`.
            format_: of the events, None for the setting's.

        Raises:
            BadRequest: a time beyond its bound, or a format that cannot hold the sensor.
            NotRecordable: the source is not there, or too much of it is recorded already.
            NoRoomForClips: neither by removing old clips.
        """
        settings = self._settings
        if not 0 <= before_s <= settings.ring_seconds:
            raise BadRequest(
                f"before_s is {before_s:g}; events of the last {settings.ring_seconds:g} s are kept. Ask for "
                "less, or raise ring_seconds."
            )
        if not 0 <= after_s <= settings.clips_longest_s or before_s + after_s == 0:
            raise BadRequest(
                f"after_s is {after_s:g}; it may be 0 to clips_longest_s = {settings.clips_longest_s:g}, and "
                "before_s and after_s not both 0"
            )
        recorder = self._studio.recorders.get(stream_id)
        if recorder is None:
            raise NotRecordable("the stream has ended; start it again")
        return (await self._studio.begin(recorder, before_s, after_s, format_)).card()

    def stop(self, clip_id: str) -> Clip:
        """Ends a recording before its time; nothing where it is over. Raises UnknownClip."""
        for recorder in self._studio.recorders.values():
            recorder.stop(clip_id)
        return self.get(clip_id)

    def get(self, clip_id: str) -> Clip:
        """Raises UnknownClip."""
        writing = (clip for clip in self._studio.cards() if clip.id == clip_id)
        clip = next(writing, None) or self._library.find(clip_id)
        if clip is None:
            raise UnknownClip(f"found no clip {clip_id[:100]!r}; GET /clips lists those there are")
        return clip

    def list(self, stream: str | None = None) -> list[Clip]:
        """The newest first; with `stream` (id or name) those of one stream."""
        clips = [*self._studio.cards(), *self._library.all()]
        wanted = [clip for clip in clips if stream in (None, clip.stream, clip.stream_name)]
        return sorted(wanted, key=attrgetter("created"), reverse=True)

    def files(self, clip_id: str) -> tuple[Clip, ClipFiles]:
        """A clip that is whole, and where its files lie. Raises UnknownClip, ClipUnfinished."""
        clip = self.get(clip_id)
        return clip, self._library.files(clip)

    def as_recording(self, clip_id: str) -> Kept:
        """A clip that is whole, as if it were a kept recording. Raises UnknownClip, ClipUnfinished."""
        return self._library.as_recording(self.get(clip_id))

    def holds(self, clip_id: str) -> bool:
        """Whether there is a clip of this id, whole or not."""
        return any(clip.id == clip_id for clip in self.list())

    def at(self, path: Path) -> Clip | None:
        """The clip whose events lie at `path`."""
        return self._library.at(path)

    async def remove(self, clip_id: str) -> None:
        """Raises UnknownClip, and ClipUnfinished for one that is being written."""
        await self._library.remove(self.get(clip_id))

    async def strip(self, clip_id: str, width: int) -> Strip:
        """Pictures of a clip that is whole, at least `width` wide where the sensor is.

        Raises UnknownClip, ClipUnfinished.
        """
        return await self._library.strip(self.get(clip_id), width)
