"""`Recordings`: uploads kept for replay and scrubbing, a bounded number of them, also over restarts."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

import structlog

from service import readings
from service.errors import UnknownRecording
from service.settings import Settings
from service.strips import Strip, Strips
from service.uploads import Upload

_log = structlog.get_logger("service.recordings")


@dataclass(frozen=True, slots=True)
class Kept:
    """One kept recording.

    Attributes:
        path: the file.
        width, height: the sensor's size, pixels.
        first_t_us, last_t_us: times of the first and last event; None without events.
        duration_us: last minus first.
    """

    id: str
    path: Path
    name: str
    size_bytes: int
    format: str
    width: int
    height: int
    events: int
    first_t_us: int | None
    last_t_us: int | None
    duration_us: int
    created: str

    def describe(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "path"}

    @property
    def card(self) -> Path:
        """Where `describe` lies on disk."""
        return self.path.with_suffix(".json")


class Recordings:
    """The kept recordings of one data folder, the one unused longest first."""

    def __init__(self, folder: Path, settings: Settings, kept: list[Kept]) -> None:
        self._folder, self._settings = folder, settings
        self._kept = {one.id: one for one in kept}
        self._strips = Strips(folder, settings)

    @classmethod
    async def open(cls, folder: Path, settings: Settings) -> Recordings:
        """Those that an earlier run left in `folder`; it is made where it is missing."""
        return cls(folder, settings, await asyncio.to_thread(_load_all, folder))

    async def close(self) -> None:
        await self._strips.close()

    async def keep(self, upload: Upload, format_: str | None, width: int | None, height: int | None) -> Kept:
        """Reads `upload` whole, in a child process, and keeps it where nothing is wrong with it.

        Raises:
            StreamingError: what is wrong with it.
        """
        found = await readings.inspect(upload.path, format_, width, height, self._settings)
        name = uuid.uuid4().hex
        kept = Kept(
            id=name,
            path=self._folder / f"{name}.recording",
            name=upload.name,
            size_bytes=upload.size,
            created=datetime.now(UTC).isoformat(timespec="milliseconds"),
            **found,
        )
        await self._make_room()
        await asyncio.to_thread(_store, kept, upload.path)
        self._kept[kept.id] = kept
        return kept

    def get(self, recording_id: str) -> Kept:
        """Raises `UnknownRecording`."""
        if recording_id not in self._kept:
            raise UnknownRecording(
                f"found no recording {recording_id[:100]!r}; GET /recordings lists those that are kept, "
                f"at most {self._settings.max_recordings}"
            )
        kept = self._kept.pop(recording_id)
        self._kept[recording_id] = kept  # used last, goes last
        return kept

    def at(self, path: Path) -> Kept | None:
        """The kept recording that lies at `path`."""
        return next((kept for kept in self._kept.values() if kept.path == path), None)

    def list(self) -> list[Kept]:
        return sorted(self._kept.values(), key=attrgetter("created"), reverse=True)

    async def remove(self, recording_id: str) -> None:
        """Raises `UnknownRecording`. What still reads the file reads it to its end."""
        kept = self.get(recording_id)
        del self._kept[recording_id]
        await self._strips.remove(kept.id)
        await asyncio.to_thread(_delete, kept)

    async def strip(self, kept: Kept, width: int) -> Strip:
        """Pictures of all of `kept`, at least `width` wide where the sensor is."""
        return await self._strips.of(kept, width)

    async def _make_room(self) -> None:
        while len(self._kept) >= self._settings.max_recordings:
            await self.remove(next(iter(self._kept)))


def _load_all(folder: Path) -> list[Kept]:
    folder.mkdir(parents=True, exist_ok=True)
    loaded = [_load(card) for card in sorted(folder.glob("*.json"))]
    kept = sorted((one for one in loaded if one is not None), key=attrgetter("created"))
    known = {path for one in kept for path in (one.path, one.card)}
    for leftover in set(folder.iterdir()) - known:
        leftover.unlink()
    return kept


def _load(card: Path) -> Kept | None:
    try:
        kept = Kept(path=card.with_suffix(".recording"), **json.loads(card.read_bytes()))
    except (ValueError, TypeError) as error:
        _log.warning("card of a recording cannot be read", card=str(card), error=str(error))
        return None
    return kept if kept.path.is_file() else None


def _store(kept: Kept, upload: Path) -> None:
    upload.rename(kept.path)  # its folder is the request's to remove
    part = kept.card.with_suffix(".part")
    part.write_text(json.dumps(kept.describe()), encoding="utf8")
    part.rename(kept.card)


def _delete(kept: Kept) -> None:
    kept.card.unlink(missing_ok=True)
    kept.path.unlink(missing_ok=True)
