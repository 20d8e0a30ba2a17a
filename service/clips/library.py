"""`Library`: the clips that are over: whole ones on disk, and what is remembered of failed ones."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import structlog

from service.clips.clip import Clip, ClipFiles
from service.clips.shelf import Shelf
from service.errors import ClipUnfinished
from service.recordings import Kept
from service.settings import Settings
from service.strips import Strip, Strips

MOST_FAILED = 32

_log = structlog.get_logger("service.clips")


class Library:
    """Clips of one folder, oldest first.

    Attributes:
        shelf: the folder.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.shelf = Shelf(folder)
        self._whole: dict[str, Clip] = {}
        self._failed: dict[str, Clip] = {}
        self._strips = Strips(folder / "pictures", settings)

    async def load(self) -> list[Clip]:
        """Finds what an earlier run has left; those that it was writing."""
        whole, cut_off = await asyncio.to_thread(self.shelf.load)
        await asyncio.to_thread(_empty, self.shelf.folder / "pictures")
        self._whole = {clip.id: clip for clip in whole}
        return cut_off

    async def close(self) -> None:
        await self._strips.close()

    @property
    def size_bytes(self) -> int:
        return sum(clip.total_bytes for clip in self._whole.values())

    def find(self, clip_id: str) -> Clip | None:
        return self._whole.get(clip_id) or self._failed.get(clip_id)

    def all(self) -> list[Clip]:
        return [*self._whole.values(), *self._failed.values()]

    def files(self, clip: Clip) -> ClipFiles:
        """Where the parts of a whole clip lie. Raises ClipUnfinished."""
        if clip.id not in self._whole:
            why = f" ({clip.note})" if clip.note else ""
            raise ClipUnfinished(f"clip {clip.id} is {clip.state}{why}; it has no files")
        return ClipFiles.of(self.shelf.folder, clip)

    def as_recording(self, clip: Clip) -> Kept:
        """A whole clip, as those take it who take kept recordings. Raises ClipUnfinished."""
        return Kept(
            id=clip.id,
            path=self.files(clip).events,
            name=clip.name,
            size_bytes=clip.size_bytes,
            format=clip.format,
            width=clip.width,
            height=clip.height,
            events=clip.events,
            first_t_us=clip.first_t_us,
            last_t_us=clip.last_t_us,
            duration_us=clip.duration_us,
            created=clip.created,
        )

    def at(self, path: Path) -> Clip | None:
        """The clip whose events lie at `path`."""
        clip = self._whole.get(path.name.partition(".")[0])
        return clip if clip is not None and self.files(clip).events == path else None

    async def strip(self, clip: Clip, width: int) -> Strip:
        """Pictures of a whole clip. Raises ClipUnfinished."""
        return await self._strips.of(self.as_recording(clip), width)

    async def keep(self, clip: Clip) -> Clip:
        """Shows a clip as whole, or as failed where that cannot be done; as it is then."""
        whole = replace(clip, state="done", progress=1.0)
        try:
            await asyncio.to_thread(self.shelf.finish, whole)
        except OSError as error:
            return await self.fail(clip, f"it could not be kept: {error.strerror}")
        self._whole[clip.id] = whole
        return whole

    async def fail(self, clip: Clip, note: str) -> Clip:
        """Removes what there is of a clip, and remembers why; as it is then."""
        await asyncio.to_thread(self.shelf.remove, clip)
        failed = replace(clip, state="failed", note=note, size_bytes=0, boxes_bytes=0)
        self._failed[clip.id] = failed
        while len(self._failed) > MOST_FAILED:
            del self._failed[next(iter(self._failed))]
        return failed

    async def remove(self, clip: Clip) -> None:
        """Whoever reads its files reads them to their end. Raises ClipUnfinished for one being written."""
        if self._failed.pop(clip.id, None) is None:
            self.files(clip)
            await self._drop(clip)

    async def drop_oldest(self) -> bool:
        """Removes the oldest whole clip; False where there is none."""
        oldest = next(iter(self._whole.values()), None)
        if oldest is None:
            return False
        _log.info("oldest clip makes room", clip=oldest.id, bytes=oldest.total_bytes)
        await self._drop(oldest)
        return True

    async def _drop(self, clip: Clip) -> None:
        self._whole.pop(clip.id, None)
        await self._strips.remove(clip.id)
        await asyncio.to_thread(self.shelf.remove, clip)


def _empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.iterdir():
        leftover.unlink()
