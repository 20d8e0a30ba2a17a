"""`LabelledPicture`: a picture on disk with its boxes, seen in views as windows of events are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.augment import View
from training.errors import BadDataset

COLOURS = 3
PAD = 114
"""Grey of what lies beside a picture, as YOLO networks have it."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPicture:
    """A picture that is read when it is looked at, and stands still for T steps.

    Attributes:
        path: the file, in a format that OpenCV reads.
        shape: (T, 3, height, width); the file must have this size.
        xyxy: (K, 4) float32, boxes, pixels.
        label: (K,) int64, index into the data set's classes.
        ignore: (M, 4) float32, regions where neither a box nor its absence counts, pixels.
    """

    path: Path
    shape: tuple[int, int, int, int]
    xyxy: NDArray[np.float32]
    label: NDArray[np.int64]
    ignore: NDArray[np.float32]

    def counts_in(self, view: View, grid: tuple[int, int]) -> NDArray[np.uint8]:
        """(T, 3, H, W) red, green and blue 0..255, read-only: the same picture at every step.

        Raises:
            BadDataset: the file is missing, damaged or of another size.
        """
        picture = read_rgb(self.path, width=self.shape[3], height=self.shape[2])
        canvas = np.ascontiguousarray(_placed(picture, view, grid).transpose(2, 0, 1))
        return np.broadcast_to(canvas, (self.shape[0], *canvas.shape))


def read_rgb(path: Path, *, width: int, height: int) -> NDArray[np.uint8]:
    """(height, width, 3) uint8 pixels as they are stored: boxes know nothing of a camera's orientation tag.

    Raises:
        BadDataset: the file is missing, damaged or of another size.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise BadDataset(
            f"{path}: cannot be read ({error.strerror}); put the picture there, or take it out of the labels"
        ) from error
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    bgr = cv2.imdecode(data, flags) if len(data) else None
    if bgr is None:
        raise BadDataset(
            f"{path}: {len(data)} bytes that are no whole picture; unpack or fetch the file again"
        )
    if bgr.shape != (height, width, COLOURS):
        raise BadDataset(
            f"{path}: is {bgr.shape[1]} x {bgr.shape[0]} pixels, its labels are of one of {width} x "
            f"{height}; take the picture that was labelled, not one made smaller"
        )
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _placed(picture: NDArray[np.uint8], view: View, grid: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W, 3) grid with the picture where `view` puts it, to the nearest cell."""
    height, width = (max(1, round(side * view.scale)) for side in picture.shape[:2])
    way = cv2.INTER_AREA if view.scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(picture, (width, height), interpolation=way)
    if view.flip:
        scaled = scaled[:, ::-1]
    canvas = np.full((grid[1], grid[0], COLOURS), PAD, np.uint8)
    left, top = round(view.left), round(view.top)
    x0, x1 = max(0, left), min(grid[0], left + width)
    y0, y1 = max(0, top), min(grid[1], top + height)
    if x0 < x1 and y0 < y1:
        canvas[y0:y1, x0:x1] = scaled[y0 - top : y1 - top, x0 - left : x1 - left]
    return canvas
