"""`View`: where and how one window is seen, and `Labelled`: what can be seen so.

A view maps sensor columns and rows to grid cells by a table, as `streaming.letterbox.Letterbox` does, so that
the plain view of a window holds the counts that the `Stepper` would make of its events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streaming.letterbox import Letterbox
from training.augment.region import Region

POLARITIES = 2


@dataclass(frozen=True, slots=True)
class View:
    """Where and how one window is seen. All but the place and the flip is for events alone.

    Attributes:
        scale: grid cells per sensor pixel.
        left, top: grid position of the sensor's corner, cells.
        flip: mirrored left to right.
        swap: ON and OFF exchanged.
        gain: mean number of events made of one; below 1 loses events.
        speed: how much faster the scene moves; the window's end stays.
        shift: steps by which events are older than they were; those after the end are lost.
        hidden: region without events, or None.
        seed: of the events lost, gained and moved.
    """

    scale: float
    left: float
    top: float
    flip: bool = False
    swap: bool = False
    gain: float = 1.0
    speed: float = 1.0
    shift: float = 0.0
    hidden: Region | None = None
    seed: int = 0


class Labelled(Protocol):
    """What views are made of: a window of events, or a picture repeated for every step.

    `xyxy` (K, 4) float32, `label` (K,) int64 and `ignore` (M, 4) float32 are as of
    `training.datasets.LabelledWindow`.
    """

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, channels, height, width) at the sensor's resolution; events have two channels."""
        ...

    @property
    def xyxy(self) -> NDArray[np.float32]: ...

    @property
    def label(self) -> NDArray[np.int64]: ...

    @property
    def ignore(self) -> NDArray[np.float32]: ...

    def counts_in(self, view: View, grid: tuple[int, int]) -> NDArray[np.uint8]:
        """What a (width, height) grid shows of it: (T, channels, height, width), perhaps read-only."""
        ...


def plain_view(shape: Sequence[int], grid: tuple[int, int]) -> View:
    """The view of run time: the letterbox of a (..., height, width) sensor in a (width, height) grid."""
    box = Letterbox(shape[-1], shape[-2], *grid)
    return View(box.scale, float(box.pad_x), float(box.pad_y))


def boxes_to_view(xyxy: NDArray[np.float32], view: View, sensor_width: int) -> NDArray[np.float32]:
    """(K, 4) boxes in sensor pixels to grid cells, not clipped."""
    if view.flip:
        xyxy = np.stack([sensor_width - xyxy[:, 2], xyxy[:, 1], sensor_width - xyxy[:, 0], xyxy[:, 3]], 1)
    shift = np.array([view.left, view.top] * 2, np.float32)
    return (xyxy * np.float32(view.scale) + shift).astype(np.float32)
