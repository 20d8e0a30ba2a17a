"""What the labels of a recording are worth: checked, clipped to the sensor, told apart by the `BoxRule`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.boxes import clip_xyxy, xyxy_area
from training.datasets import IGNORED, BoxRule, TimedBoxes
from training.errors import BadDataset

WRONG_SIZE_SHARE = 0.5
"""Where more of a recording's boxes lie outside the sensor, the labels are of another sensor."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A sensor's pixels, and how strictly boxes must lie on them.

    Attributes:
        width, height: pixels.
        drop_outside: boxes wholly outside are left out, as known data sets need, instead of refused.
    """

    width: int
    height: int
    drop_outside: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class FrameBoxes:
    """The labels of one moment.

    Attributes:
        xyxy: (K, 4) float32, sensor pixels, inside the sensor.
        label: (K,) int64, index into the data set's classes.
        ignore: (M, 4) float32, inside the sensor.
    """

    xyxy: NDArray[np.float32]
    label: NDArray[np.int64]
    ignore: NDArray[np.float32]


def check_boxes(boxes: TimedBoxes, frame: Frame, where: str) -> None:
    """Hold labels to what `TimedBoxes` states and to the frame.

    Args:
        boxes: the labels of a recording.
        frame: its sensor.
        where: name of the labels, for messages.

    Raises:
        BadDataset: arrays of other shapes, times out of order, a box at no labelled moment, a side that is
            not a positive number, or boxes outside the frame.
    """
    _check_arrays(boxes, where)
    _check_times(boxes, where)
    sides = boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]
    sound = np.asarray((np.isfinite(boxes.xyxy) & (np.tile(sides, 2) > 0)).all(1))
    if not sound.all():
        raise BadDataset(
            f"{where}: {_box(boxes, ~sound)} has no area; x2 > x1 and y2 > y1 are needed, all of "
            "them numbers. Mend or remove the label."
        )
    _check_inside(boxes, frame, where)


def boxes_at(boxes: TimedBoxes, moment_us: int, frame: Frame, rule: BoxRule) -> FrameBoxes:
    """The checked labels of one moment, cut to the frame.

    A box over the border loses what lies beyond; the rule's sizes are those of what is left. Boxes that are
    too small become regions to ignore. Of equal boxes with equal labels one stays.
    """
    first, end = (np.searchsorted(boxes.t_us, moment_us, side) for side in ("left", "right"))
    xyxy = clip_xyxy(boxes.xyxy[first:end], frame.width, frame.height).astype(np.float32)
    label = boxes.label[first:end]
    keep = _first_of_equals(xyxy, label) & (xyxy_area(xyxy) > 0)
    xyxy, label = xyxy[keep], label[keep]
    counts = (label != IGNORED) & follows(rule, xyxy)
    return FrameBoxes(xyxy[counts], label[counts].astype(np.int64), xyxy[~counts])


def follows(rule: BoxRule, xyxy: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(K,) whether each of the (K, 4) boxes is large enough to be a label."""
    sides = xyxy[:, 2:] - xyxy[:, :2]
    large: NDArray[np.bool_] = (sides.min(1, initial=np.inf) >= rule.min_side_px) & (
        np.hypot(sides[:, 0], sides[:, 1]) >= rule.min_diagonal_px
    )
    return large


def _first_of_equals(xyxy: NDArray[np.float32], label: NDArray[np.int64]) -> NDArray[np.bool_]:
    first = np.zeros(len(label), np.bool_)
    first[np.unique(np.column_stack([xyxy, label]), axis=0, return_index=True)[1]] = True
    return first


def _check_arrays(boxes: TimedBoxes, where: str) -> None:
    count = len(boxes.t_us)
    if boxes.moments.ndim != 1 or boxes.xyxy.shape != (count, 4) or boxes.label.shape != (count,):
        raise BadDataset(
            f"{where}: found moments {boxes.moments.shape}, times {boxes.t_us.shape}, boxes "
            f"{boxes.xyxy.shape}, labels {boxes.label.shape}; (M,), (K,), (K, 4) and (K,) are needed"
        )


def _check_times(boxes: TimedBoxes, where: str) -> None:
    for name, t_us in (("moments", boxes.moments), ("boxes", boxes.t_us)):
        drops = np.flatnonzero(t_us[1:] < t_us[:-1])
        if len(drops):
            at = int(drops[0])
            raise BadDataset(
                f"{where}: the times of its {name} run backward from {t_us[at]} us to {t_us[at + 1]} us; "
                "sort the labels by time"
            )
    stray = ~np.isin(boxes.t_us, boxes.moments)
    if stray.any():
        raise BadDataset(f"{where}: {_box(boxes, stray)} is at none of the labelled moments")


def _check_inside(boxes: TimedBoxes, frame: Frame, where: str) -> None:
    xyxy = boxes.xyxy
    outside = (xyxy[:, 2:] <= 0).any(1) | (xyxy[:, 0] >= frame.width) | (xyxy[:, 1] >= frame.height)
    if not outside.any() or (frame.drop_outside and outside.mean() <= WRONG_SIZE_SHARE):
        return
    raise BadDataset(
        f"{where}: {_box(boxes, outside)} lies outside the {frame.width} x {frame.height} sensor, as do "
        f"{int(outside.sum())} of {len(outside)} boxes. Labels are in sensor pixels, origin top left; "
        "mend or remove them, or state the right size of the recording."
    )


def _box(boxes: TimedBoxes, which: NDArray[np.bool_]) -> str:
    """The first of the boxes that `which` marks, in words."""
    at = int(np.flatnonzero(which)[0])
    xyxy = ", ".join(f"{value:g}" for value in boxes.xyxy[at])
    return f"box {at} of label {boxes.label[at]} at {boxes.t_us[at]} us, xyxy ({xyxy}),"
