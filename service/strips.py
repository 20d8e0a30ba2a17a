"""`Strip`: pictures of a whole recording, drawn once and then read by time, for scrubbing."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from service import readings
from service.errors import DeadlineExceeded, UnknownRecording
from service.settings import Settings

if TYPE_CHECKING:
    from service.recordings import Kept

WIDTHS = (160, 320, 640, 1280)
_MOST_STRIPS = 8
_PICTURE_WAIT_S = 20.0


class Strip:
    """Pictures in one file, and where each begins. They may be read while later ones are drawn.

    Args:
        path: the file of pictures.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.work: asyncio.Task[None] | None = None
        self._starts_us: list[int] = []
        self._places: list[tuple[int, int, int]] = []  # end_us, offset, length
        self._bytes = 0
        self._grown = asyncio.Event()

    def add(self, start_us: int, end_us: int, length: int) -> None:
        self._starts_us.append(start_us)
        self._places.append((end_us, self._bytes, length))
        self._bytes += length
        self._grown.set()

    def finish(self) -> None:
        self._grown.set()

    async def picture(self, t_us: int) -> tuple[int, int, bytes]:
        """(start_us, end_us, WebP bytes) of the picture that ends at `t_us` or holds the time just before.

        Raises:
            DeadlineExceeded: it was not drawn in time.
            UnknownRecording: the recording has no events, so there are no pictures.
            StreamingError: the recording could not be read a second time.
        """
        try:
            async with asyncio.timeout(_PICTURE_WAIT_S):
                await self._drawn(t_us)
        except TimeoutError:
            raise DeadlineExceeded(
                f"found no picture of {t_us} us after {_PICTURE_WAIT_S:g} s; it is still being drawn. "
                "Ask again."
            ) from None
        if not self._starts_us:
            raise UnknownRecording("found no events in the recording, so there are no pictures of it")
        index = max(0, bisect_right(self._starts_us, t_us - 1) - 1)
        end_us, offset, length = self._places[index]
        return self._starts_us[index], end_us, await asyncio.to_thread(_read, self.path, offset, length)

    async def _drawn(self, t_us: int) -> None:
        while self.work is not None and not self.work.done() and not self._reaches(t_us):
            self._grown.clear()
            await self._grown.wait()
        if self.work is not None and self.work.done() and not self._reaches(t_us):
            self.work.result()

    def _reaches(self, t_us: int) -> bool:
        return bool(self._places) and self._places[-1][0] >= t_us


class Strips:
    """The strips drawn lately; the one unused longest is thrown away first."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder, self._settings = folder, settings
        self._strips: dict[tuple[str, int], Strip] = {}
        self._turns = asyncio.Semaphore(settings.max_uploads)

    async def of(self, kept: Kept, width: int) -> Strip:
        """The strip of `kept` of pictures at least `width` wide; drawing begins where there is none."""
        chosen = next((one for one in WIDTHS if one >= width), WIDTHS[-1])
        key = (kept.id, chosen)
        strip = self._strips.pop(key, None) or self._begin(kept, chosen)
        self._strips[key] = strip
        while len(self._strips) > _MOST_STRIPS:
            await self._drop(next(iter(self._strips)))
        return strip

    async def remove(self, recording_id: str) -> None:
        for key in [key for key in self._strips if key[0] == recording_id]:
            await self._drop(key)

    async def close(self) -> None:
        for key in list(self._strips):
            await self._drop(key)

    def _begin(self, kept: Kept, width: int) -> Strip:
        strip = Strip(self._folder / f"{kept.id}.{width}.strip")
        strip.work = asyncio.create_task(self._draw(strip, kept, width), name=f"pictures of {kept.id}")
        return strip

    async def _draw(self, strip: Strip, kept: Kept, width: int) -> None:
        each_us = readings.period_us(kept.duration_us)
        arguments = (kept.path, kept.format, (kept.width, kept.height), width, each_us)
        loop = asyncio.get_running_loop()
        try:
            async with self._turns:
                with await asyncio.to_thread(strip.path.open, "wb", 0) as file:

                    def take(message: tuple[int, int, bytes]) -> None:
                        _append(file, message[2])
                        loop.call_soon_threadsafe(strip.add, message[0], message[1], len(message[2]))

                    await readings.in_child(
                        readings.draw, arguments, readings.limits_of(self._settings), take
                    )
        finally:
            strip.finish()

    async def _drop(self, key: tuple[str, int]) -> None:
        strip = self._strips.pop(key, None)
        if strip is None:
            return
        if strip.work is not None:
            strip.work.cancel()
            await asyncio.gather(strip.work, return_exceptions=True)
        await asyncio.to_thread(strip.path.unlink, missing_ok=True)


def _append(file: BinaryIO, picture: bytes) -> None:
    file.write(picture)


def _read(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)
