"""`zipped`: files as one ZIP, made while it is sent."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

PIECE_BYTES = 1 << 18


class _Sink(io.RawIOBase):
    """Takes what the archive writes and gives it away piece by piece; it cannot be sought in."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload] # the archive's buffer is its own again afterwards
        self._pieces.append(piece)
        return len(piece)

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def zipped(files: Sequence[tuple[str, Path]]) -> Iterator[bytes]:
    """A ZIP of `files` (name in the archive, path), stored as they are: events hardly get smaller.

    The files are opened at once, so that one removed meanwhile is still sent whole. The iterator blocks.

    Raises:
        FileNotFoundError: one is not there.
    """
    with ExitStack() as stack:
        opened = [(name, stack.enter_context(path.open("rb"))) for name, path in files]
        held = stack.pop_all()
    return _archive(opened, held)


def _archive(opened: Sequence[tuple[str, BinaryIO]], held: ExitStack) -> Iterator[bytes]:
    sink = _Sink()
    with held, zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, file in opened:
            with archive.open(name, "w", force_zip64=True) as entry:
                while piece := file.read(PIECE_BYTES):
                    entry.write(piece)
                    yield sink.take()
            yield sink.take()
    yield sink.take()
