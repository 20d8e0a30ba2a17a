"""YOLO: a text file a recording, a line a box: class, centre x, y, width, height as shares of the frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model.boxes import cxcywh_to_xyxy
from training.datasets import TimedBoxes
from training.datasets.labels import boxes_at_end, read_text
from training.errors import BadDataset


def read_yolo(path: Path, classes: Sequence[str], size: tuple[int, int]) -> TimedBoxes:
    """The boxes of one file, at the end of its recording.

    Args:
        path: the file; one without a line says that nothing is there.
        classes: names by number.
        size: (width, height) of the recording's sensor.

    Raises:
        BadDataset: no such file, or a line that is no box.
    """
    rows = [
        _row(line, number, len(classes), path)
        for number, line in enumerate(read_text(path).splitlines(), 1)
        if line.strip()
    ]
    shares = np.array([row[1:] for row in rows], np.float32).reshape(-1, 4)
    xyxy = cxcywh_to_xyxy(shares) * np.array([*size, *size], np.float32)
    return boxes_at_end(xyxy.tolist(), [int(row[0]) for row in rows], None)


def _row(line: str, number: int, classes: int, path: Path) -> list[float]:
    try:
        row = [float(word) for word in line.split()]
    except ValueError:
        row = []
    if len(row) != 5 or row[0] not in range(classes):
        raise BadDataset(
            f"{path}: line {number} is {line[:60]!r}; five numbers are needed: class 0 to {classes - 1}, "
            "centre x, centre y, width, height"
        )
    if max(row[1:]) > 2 or min(row[1:]) < -1:
        raise BadDataset(
            f"{path}: line {number} is {line[:60]!r}; centre and sides are shares of the frame, 0 to 1, not "
            "pixels"
        )
    return row
