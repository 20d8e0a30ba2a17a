"""Packs: the windows of one part in one compact file, any of them read alone.

::

    magic | frame | frame | ... | index: uint64 end of each frame | JSON | two uint64: their lengths

A frame is one window: its shape and lengths, its boxes, then, deflated, the gaps between its cells (one byte;
255 and more go on in 32 bits) and the counts. Runs and a Huffman code suit such noise: 6.2 bits a cell on
real recordings, where an LZ search that takes six times as long saves 2 % at most.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from training.augment.views import View
from training.datasets import LabelledWindow
from training.errors import BadDataset

VERSION = 1
MAGIC = b"spikesight windows %d\n" % VERSION
FAR = 255
HEAD = struct.Struct(
    "<I4I4I"
)  # CRC-32 of what follows it; T, 2, height, width; cells, far gaps, boxes, ignored
TAIL = struct.Struct("<2Q")


@dataclass(frozen=True, slots=True, eq=False)
class PackedWindow:
    """A window as a pack holds it: a sixth of the memory; its counts are unpacked each time they are painted.

    Attributes:
        shape, xyxy, label, ignore: as in `LabelledWindow`.
        cells, fars: how many cells and far gaps there are.
        deflated: near gaps, far gaps and counts.
    """

    shape: tuple[int, int, int, int]
    xyxy: NDArray[np.float32]
    label: NDArray[np.int64]
    ignore: NDArray[np.float32]
    cells: int
    fars: int
    deflated: bytes

    def counts_in(self, view: View, grid: tuple[int, int]) -> NDArray[np.uint8]:
        """As `training.augment.Labelled.counts_in`."""
        return self.unpacked().counts_in(view, grid)

    def unpacked(self) -> LabelledWindow:
        """The window itself."""
        take = _Take(zlib.decompress(self.deflated))
        gap = take(np.dtype(np.uint8), self.cells).astype(np.uint32)
        gap[gap == FAR] += take(np.dtype("<u4"), self.fars)
        cell = np.cumsum(gap, dtype=np.uint32)
        count = take(np.dtype(np.uint8), self.cells)
        return LabelledWindow(self.shape, cell, count, self.xyxy, self.label, self.ignore)


def encode_window(window: LabelledWindow) -> bytes:
    """One frame; cells must rise."""
    gap = np.diff(window.cell, prepend=np.uint32(0))
    far = (gap[gap >= FAR] - FAR).astype("<u4")
    near = np.minimum(gap, FAR).astype(np.uint8)
    deflate = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    deflated = [deflate.compress(each.tobytes()) for each in (near, far, window.count)]
    boxes = [each.tobytes() for each in (window.xyxy, window.label, window.ignore)]
    body = b"".join((*boxes, *deflated, deflate.flush()))
    lengths = (len(window.cell), len(far), len(window.label), len(window.ignore))
    return HEAD.pack(zlib.crc32(body), *window.shape, *lengths) + body


def decode_window(frame: bytes) -> PackedWindow:
    """The window of one frame.

    Raises:
        struct.error, ValueError: the frame is damaged.
    """
    crc, t, planes, height, width, cells, fars, boxes, ignores = HEAD.unpack_from(frame)
    body = frame[HEAD.size :]
    if zlib.crc32(body) != crc:
        raise ValueError("its checksum is another")
    take = _Take(body)
    xyxy = take(np.dtype(np.float32), 4 * boxes).reshape(-1, 4)
    label = take(np.dtype(np.int64), boxes)
    ignore = take(np.dtype(np.float32), 4 * ignores).reshape(-1, 4)
    return PackedWindow((t, planes, height, width), xyxy, label, ignore, cells, fars, take.rest())


def write_pack(path: Path, windows: Iterable[LabelledWindow], about: Callable[[], Mapping[str, Any]]) -> None:
    """Write windows as they come; a reader sees either no file or all of it.

    Args:
        path: the file.
        windows: read once.
        about: what is known of them after the last, as JSON values.
    """
    part = path.with_suffix(".part")
    ends = []
    with part.open("wb") as file:
        file.write(MAGIC)
        for window in windows:
            file.write(encode_window(window))
            ends.append(file.tell())
        index = np.array(ends, "<u8").tobytes()
        text = json.dumps(about()).encode()
        file.write(index + text + TAIL.pack(len(index), len(text)))
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


class Pack:
    """The windows of one file written by `write_pack`; only the index is held in memory.

    Attributes:
        about: what was written about them.

    Raises:
        BadDataset: it is no such file, or damaged.
    """

    def __init__(self, path: Path, about: dict[str, Any], ends: NDArray[np.uint64]) -> None:
        self.path = path
        self.about = about
        self._ends = ends

    @classmethod
    def open(cls, path: Path) -> Self:
        try:
            with path.open("rb") as file:
                if file.read(len(MAGIC)) != MAGIC:
                    raise _damaged(path, "it does not begin as one")
                size = file.seek(-TAIL.size, os.SEEK_END)
                index, text = TAIL.unpack(file.read(TAIL.size))
                if index + text > size:
                    raise _damaged(path, "it is cut off")
                file.seek(size - text - index)
                ends = np.frombuffer(file.read(index), "<u8").astype(np.uint64)
                return cls(path, json.loads(file.read(text)), ends)
        except (OSError, ValueError) as error:
            raise _damaged(path, error) from error

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, at: int) -> PackedWindow:
        begin = int(self._ends[at - 1]) if at else len(MAGIC)
        try:
            with self.path.open("rb") as file:
                file.seek(begin)
                return decode_window(file.read(int(self._ends[at]) - begin))
        except (OSError, struct.error, ValueError) as error:
            raise _damaged(self.path, error) from error


class _Take:
    """Reads arrays off a buffer one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __call__(self, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        begin, self._at = self._at, self._at + count * dtype.itemsize
        return np.frombuffer(self._data, dtype, count, begin)

    def rest(self) -> bytes:
        return self._data[self._at :]


def _damaged(path: Path, reason: object) -> BadDataset:
    return BadDataset(
        f"{path}: these cached windows cannot be read: {reason}. Delete the file; it is made again from the "
        "recordings at the next start."
    )
