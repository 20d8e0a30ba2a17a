"""Packs: the windows of one part in one compact file, any of them read alone.

::

    magic | frame | frame | ... | index: uint64 end of each frame | JSON | two uint64: their lengths

A frame is one window: its shape and lengths, then, deflated, the gaps between its cells (one byte; 255 and
more go on in 32 bits), the counts and the boxes. Runs and a Huffman code suit such noise: 6.2 bits a cell on
real recordings, where an LZ search that takes six times as long saves 2 % at most.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from training.datasets import LabelledWindow
from training.errors import BadDataset

VERSION = 1
MAGIC = b"spikesight windows %d\n" % VERSION
FAR = 255
HEAD = struct.Struct("<4I4I")  # T, 2, height, width; cells, far gaps, boxes, regions to ignore
TAIL = struct.Struct("<2Q")


def encode_window(window: LabelledWindow) -> bytes:
    """One frame; cells must rise."""
    gap = np.diff(window.cell, prepend=np.uint32(0))
    far = (gap[gap >= FAR] - FAR).astype("<u4")
    deflate = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    near = np.minimum(gap, FAR).astype(np.uint8)
    arrays = (near, far, window.count, window.xyxy, window.label, window.ignore)
    packed = b"".join(deflate.compress(each.tobytes()) for each in arrays) + deflate.flush()
    lengths = (len(window.cell), len(far), len(window.label), len(window.ignore))
    return HEAD.pack(*window.shape, *lengths) + packed


def decode_window(frame: bytes) -> LabelledWindow:
    """The window of one frame.

    Raises:
        zlib.error, struct.error, ValueError: the frame is damaged.
    """
    t, planes, height, width, cells, fars, boxes, ignores = HEAD.unpack_from(frame)
    take = _Take(zlib.decompress(memoryview(frame)[HEAD.size :]))
    gap = take(np.dtype(np.uint8), cells).astype(np.uint32)
    gap[gap == FAR] += take(np.dtype("<u4"), fars)
    return LabelledWindow(
        shape=(t, planes, height, width),
        cell=np.cumsum(gap, dtype=np.uint32),
        count=take(np.dtype(np.uint8), cells),
        xyxy=take(np.dtype(np.float32), 4 * boxes).reshape(-1, 4),
        label=take(np.dtype(np.int64), boxes),
        ignore=take(np.dtype(np.float32), 4 * ignores).reshape(-1, 4),
    )


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

    def __getitem__(self, at: int) -> LabelledWindow:
        begin = int(self._ends[at - 1]) if at else len(MAGIC)
        try:
            with self.path.open("rb") as file:
                file.seek(begin)
                return decode_window(file.read(int(self._ends[at]) - begin))
        except (OSError, zlib.error, struct.error, ValueError) as error:
            raise _damaged(self.path, error) from error


class _Take:
    """Reads arrays off a buffer one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __call__(self, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        begin, self._at = self._at, self._at + count * dtype.itemsize
        return np.frombuffer(self._data, dtype, count, begin)


def _damaged(path: Path, reason: object) -> BadDataset:
    return BadDataset(
        f"{path}: these cached windows cannot be read: {reason}. Delete the file; it is made again from the "
        "recordings at the next start."
    )
