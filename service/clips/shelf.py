"""`Shelf`: the clips of one folder on disk. Every method blocks: call them in a thread."""

from __future__ import annotations

import json
import os
from pathlib import Path

import structlog

from service.clips.clip import Clip, ClipFiles

_log = structlog.get_logger("service.clips")


class Shelf:
    """Reads and writes a folder of clips.

    Args:
        folder: made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self) -> tuple[list[Clip], list[Clip]]:
        """Clips that are whole, oldest first, and those that a crash has cut off; leftovers are removed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        whole = [clip for clip in map(_read, self.folder.glob("*.json")) if clip and self._is_whole(clip)]
        known = {clip.id for clip in whole}
        orders = [clip for clip in map(_read, self.folder.glob("*.order")) if clip and clip.id not in known]
        files = {path for clip in whole for path in self._whole_files(clip)}
        files |= {path for clip in orders for path in ClipFiles.of(self.folder, clip).all()}
        for path in set(self.folder.iterdir()) - files:
            if path.is_file():
                path.unlink(missing_ok=True)
        return sorted(whole, key=_age), sorted(orders, key=_age)

    def order(self, clip: Clip) -> None:
        """Notes what is to become of files that are about to be written."""
        _write(ClipFiles.of(self.folder, clip).order, clip)

    def finish(self, clip: Clip) -> None:
        """Shows `clip` as whole: its parts get their names, its card is written last."""
        files = ClipFiles.of(self.folder, clip)
        if files.events_part.exists():
            os.replace(files.events_part, files.events)
        if files.boxes_part.exists():
            os.replace(files.boxes_part, files.boxes)
        else:
            files.boxes.touch()
        _write(files.card, clip)
        files.order.unlink(missing_ok=True)

    def remove(self, clip: Clip) -> None:
        """Whoever reads its files reads them to their end."""
        for path in ClipFiles.of(self.folder, clip).all():
            path.unlink(missing_ok=True)

    def _is_whole(self, clip: Clip) -> bool:
        return ClipFiles.of(self.folder, clip).events.is_file()

    def _whole_files(self, clip: Clip) -> tuple[Path, ...]:
        files = ClipFiles.of(self.folder, clip)
        return files.card, files.events, files.boxes


def _age(clip: Clip) -> str:
    return clip.created


def _read(path: Path) -> Clip | None:
    try:
        clip = Clip.from_json(json.loads(path.read_bytes()))
    except (ValueError, TypeError, KeyError) as error:
        _log.warning("card of a clip cannot be read", card=str(path), error=str(error))
        return None
    return clip if path.stem == clip.id else None


def _write(path: Path, clip: Clip) -> None:
    """Whole or not at all, also where the power fails."""
    part = path.with_name(f"{path.name}.new")
    with part.open("w", encoding="utf8") as file:
        json.dump(clip.describe(), file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
