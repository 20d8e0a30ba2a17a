"""`render`: a view in the grid, with the boxes that can be seen in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.boxes import clip_xyxy, xyxy_area
from training.augment.views import POLARITIES, Labelled, View, boxes_to_view

MIN_EVENTS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One view in the grid.

    Attributes:
        counts: (T, channels, H, W) uint8.
        xyxy: (K, 4) float32, grid cells, inside the grid.
        label: (K,) int64.
        ignore: (M, 4) float32, grid cells.
    """

    counts: NDArray[np.uint8]
    xyxy: NDArray[np.float32]
    label: NDArray[np.int64]
    ignore: NDArray[np.float32]


def render(
    labelled: Labelled,
    view: View,
    grid: tuple[int, int],
    *,
    min_side: float = 3.0,
    min_visible: float = 0.3,
    min_events: int = MIN_EVENTS,
) -> Sample:
    """The window or picture as `view` sees it in a (width, height) grid.

    Boxes cut by the border keep the part inside. A box becomes a region to ignore where it shows less than
    `min_visible` of its area, a side under `min_side` cells, or fewer than `min_events` events, which a
    picture has none of.
    """
    counts = labelled.counts_in(view, grid)
    full = boxes_to_view(labelled.xyxy, view, labelled.shape[3])
    clipped = clip_xyxy(full, *grid)
    ignore = clip_xyxy(boxes_to_view(labelled.ignore, view, labelled.shape[3]), *grid)
    present = xyxy_area(clipped) > 0
    visible = xyxy_area(clipped) - _hidden_area(clipped, view)
    sides = clipped[:, 2:] - clipped[:, :2]
    good = present & (visible >= min_visible * xyxy_area(full)) & (sides.min(1, initial=1e9) >= min_side)
    regions = np.concatenate([ignore[xyxy_area(ignore) > 0], clipped[present & ~good]])
    sample = Sample(counts, clipped[good], labelled.label[good], regions)
    return without_faint(sample, min_events) if counts.shape[1] == POLARITIES else sample


def without_faint(sample: Sample, min_events: int = MIN_EVENTS) -> Sample:
    """The sample with boxes of fewer than `min_events` events as regions to ignore."""
    seen = _events_inside(sample.counts, sample.xyxy) >= min_events
    if seen.all():
        return sample
    ignore = np.concatenate([sample.ignore, sample.xyxy[~seen]])
    return Sample(sample.counts, sample.xyxy[seen], sample.label[seen], ignore)


def _hidden_area(xyxy: NDArray[np.float32], view: View) -> NDArray[np.float32] | float:
    if view.hidden is None:
        return 0.0
    left, top, right, bottom = view.hidden.xyxy
    low, high = np.array([left, top] * 2, np.float32), np.array([right, bottom] * 2, np.float32)
    hidden: NDArray[np.float32] = xyxy_area(xyxy.clip(low, high))
    return hidden


def _events_inside(counts: NDArray[np.uint8], xyxy: NDArray[np.float32]) -> NDArray[np.int64]:
    inside = np.zeros(len(xyxy), np.int64)
    for i, (x0, y0, x1, y1) in enumerate(xyxy.round().astype(int)):
        inside[i] = counts[:, :, y0:y1, x0:x1].sum()
    return inside
