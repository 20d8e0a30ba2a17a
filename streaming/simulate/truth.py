"""The true boxes of a simulated scene in a file, as Prophesee's data sets keep them (`NAME_bbox.npy`)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streaming.errors import BadSource
from streaming.simulate.scene import Truth
from streaming.simulate.source import SimulatedSource

EVERY_US = 40_000
"""Time between two moments with boxes."""

BOXES = np.dtype([
    ("t", "<i8"), ("x", "<f4"), ("y", "<f4"), ("w", "<f4"), ("h", "<f4"), ("class_id", "u1"),
    ("class_confidence", "<f4"), ("track_id", "<u4"),
])  # fmt: skip


def write_truth(source: SimulatedSource, path: Path, every_us: int = EVERY_US) -> int:
    """Writes all true boxes of a source that ends, and returns how many.

    Classes are 0 person, 1 car, 2 two-wheeler; a track is one object as long as it is there.

    Args:
        source: whose boxes; its events need not be read.
        path: the new file, .npy; it appears when it is whole.
        every_us: boxes are of every so many microseconds, first of this moment.

    Raises:
        BadSource: the source never ends.
    """
    if source.duration_us is None:
        raise BadSource("found a simulated scene without end; give it a duration_s")
    moments = range(every_us, source.duration_us + 1, every_us)
    rows = np.concatenate([np.zeros(0, BOXES), *(_rows(t_us, source.truth(t_us)) for t_us in moments)])
    part = path.with_name(f".{path.name}.{os.getpid()}.part.npy")
    try:
        np.save(part, rows)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return len(rows)


def _rows(t_us: int, truth: Truth) -> NDArray[np.void]:
    rows = np.zeros(len(truth.labels), BOXES)
    rows["t"], rows["class_id"], rows["track_id"] = t_us, truth.labels, truth.ids
    rows["x"], rows["y"] = truth.xyxy[:, 0], truth.xyxy[:, 1]
    rows["w"], rows["h"] = truth.xyxy[:, 2] - truth.xyxy[:, 0], truth.xyxy[:, 3] - truth.xyxy[:, 1]
    rows["class_confidence"] = 1
    return rows
