"""`write_recording`: a source in, a whole file out, or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import TypeAlias

from streaming.errors import BadSource
from streaming.events import Events
from streaming.source import Source, SourceInfo

Write: TypeAlias = Callable[[Iterable[Events], SourceInfo, Path], None]
"""Writes packets of a source of that size to a new file, in constant memory."""

FORMATS: Mapping[str, str] = {
    "npy": "streaming.writers.npy:write_npy",
    "csv": "streaming.writers.csv_text:write_csv",
    "aedat4": "streaming.writers.aedat4:write_aedat4",
    "evt3": "streaming.writers.evt3:write_evt3",
}
"""Where the writer of each format lives."""

SUFFIXES: Mapping[str, str] = {
    ".npy": "npy",
    ".csv": "csv",
    ".txt": "csv",
    ".aedat4": "aedat4",
    ".raw": "evt3",
}


def write_recording(
    source: Source,
    path: str | Path,
    format: str | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Writes a finite source to a file and returns how many events it holds.

    The file appears under its name when it is whole; where anything fails nothing is left behind, and a file
    that was there before stays as it was.

    Args:
        source: what to write; it is read to its end.
        path: the new file.
        format: a key of `FORMATS`, None to go by the suffix (`SUFFIXES`).
        on_progress: told after each packet how many events are written so far.

    Raises:
        BadSource: no such format, no such folder, or events that the format cannot hold.
        StreamingError: as the source says.
    """
    path = Path(path)
    write = _writer(path, format)
    if not path.parent.is_dir():
        raise BadSource(f"found no folder {path.parent}; make it first")
    count = _Count(on_progress)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(count.through(source.packets()), source.info, part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return count.events


class _Count:
    """Counts the events that pass."""

    def __init__(self, on_progress: Callable[[int], None] | None) -> None:
        self.events = 0
        self._on_progress = on_progress

    def through(self, packets: Iterable[Events]) -> Iterator[Events]:
        for events in packets:
            yield events
            self.events += len(events)
            if self._on_progress:
                self._on_progress(self.events)


def _writer(path: Path, format: str | None) -> Write:
    name = format or SUFFIXES.get(path.suffix.lower(), "")
    if name not in FORMATS:
        raise BadSource(
            f"found {format or path.suffix or 'no suffix'!r}; written are {', '.join(FORMATS)} "
            f"(suffixes {', '.join(SUFFIXES)})"
        )
    write: Write = resolve_name(FORMATS[name])
    return write
