"""Recordings and boxes in the exact layouts that Prophesee and DSEC publish, of rectangles that move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from streaming.events import Events

GEN1_BOX = np.dtype(
    [
        ("ts", "<u8"),
        ("x", "<f4"),
        ("y", "<f4"),
        ("w", "<f4"),
        ("h", "<f4"),
        ("class_id", "u1"),
        ("confidence", "<f4"),
        ("track_id", "<u4"),
    ]
)
MEGAPIXEL_BOX = np.dtype(
    {
        "names": ["t", "x", "y", "w", "h", "class_id", "track_id", "class_confidence"],
        "formats": ["<i8", "<f4", "<f4", "<f4", "<f4", "<u4", "<u4", "<f4"],
        "offsets": [0, 8, 12, 16, 20, 24, 28, 32],
        "itemsize": 40,
    }
)
DSEC_BOX = np.dtype(
    [
        ("t", "<u8"),
        ("x", "<f8"),
        ("y", "<f8"),
        ("h", "<f8"),
        ("w", "<f8"),
        ("class_id", "u1"),
        ("class_confidence", "<f8"),
        ("track_id", "<u8"),
    ]
)


@dataclass(frozen=True)
class Rectangle:
    """A rectangle that moves to the right; left and top are where it is at time 0."""

    class_id: int
    left: float
    top: float
    width: float
    height: float
    px_per_s: float = 20.0

    def xyxy(self, t_us: int) -> list[float]:
        left = self.left + self.px_per_s * t_us / 1e6
        return [left, self.top, left + self.width, self.top + self.height]


Row = tuple[int, float, float, float, float, int, int]
"""t_us, left, top, width, height, class, track."""


def events_of(rectangles: Sequence[Rectangle], us: int, count: int = 4_000, seed: int = 0) -> Events:
    """Events on the two upright edges of each rectangle: ON where it goes, OFF where it comes from."""
    rng = np.random.default_rng(seed)
    t_us = np.sort(rng.integers(0, us, count))
    which, p = rng.integers(0, len(rectangles), count), rng.integers(0, 2, count)
    left, top, width, height, speed = np.array(
        [[r.left, r.top, r.width, r.height, r.px_per_s] for r in rectangles]
    )[which].T
    x = left + speed * t_us / 1e6 + p * (width - 1)
    return Events.of(t_us, x.astype(int), (top + rng.random(count) * (height - 1)).astype(int), p)


def rows_of(rectangles: Sequence[Rectangle], moments_us: Sequence[int]) -> list[Row]:
    """The boxes of the rectangles at each moment."""
    return [
        (t_us, r.xyxy(t_us)[0], r.top, r.width, r.height, r.class_id, track)
        for t_us in moments_us
        for track, r in enumerate(rectangles)
    ]


def write_boxes(path: Path, rows: Sequence[Row], dtype: np.dtype[np.void]) -> Path:
    """A `_bbox.npy` or `tracks.npy`."""
    names = {"t": "ts", "class_confidence": "confidence"} if "ts" in (dtype.names or ()) else {}
    boxes = np.zeros(len(rows), dtype)
    for column, name in enumerate(("t", "x", "y", "w", "h", "class_id", "track_id")):
        boxes[names.get(name, name)] = [row[column] for row in rows]
    boxes[names.get("class_confidence", "class_confidence")] = 1
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, boxes)
    return path


def write_dat(path: Path, events: Events, width: int, height: int) -> Path:
    """A `_td.dat` with the header of the published ones."""
    header = (
        "% Data file containing CD events.\n% Version 2\n% Date 2018-11-08 13:49:03\n"
        f"% Height {height}\n% Width {width}\n"
    )
    words = np.empty((len(events), 2), "<u4")
    words[:, 0] = events.t_us
    words[:, 1] = events.x | events.y.astype(np.uint32) << 14 | events.p.astype(np.uint32) << 28
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode() + b"\x0c\x08" + words.tobytes())
    return path


def write_dat_h5(path: Path, events: Events, width: int, height: int) -> Path:
    """A `_td.dat.h5`: columns with the sensor's size beside them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns: dict[str, NDArray[np.generic]] = {
        "x": events.x,
        "y": events.y,
        "p": events.p.astype(np.int16),
        "t": events.t_us,
    }
    with h5py.File(path, "w") as file:
        for name, column in columns.items():
            file.create_dataset(f"events/{name}", data=column, **hdf5plugin.Blosc(cname="zstd"))
        file["events/width"], file["events/height"] = np.int64(width), np.int64(height)
    return path


def write_dsec_events(path: Path, events: Events, offset_us: int) -> Path:
    """An `events.h5` of DSEC: times from 0, milliseconds to indices, the offset beside them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"t": events.t_us.astype(np.uint32), "x": events.x, "y": events.y, "p": events.p}
    with h5py.File(path, "w") as file:
        for name, column in columns.items():
            file.create_dataset(f"events/{name}", data=column, **hdf5plugin.Blosc(cname="zstd"))
        milliseconds = np.arange(int(events.t_us[-1]) // 1000 + 2) * 1000
        file["ms_to_idx"] = np.searchsorted(events.t_us, milliseconds).astype(np.uint64)
        file["t_offset"] = np.int64(offset_us)
    return path
