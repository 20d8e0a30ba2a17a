"""How well boxes match: one file a figure; here what all of them compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.detections import Detections
from training.datasets import BoxRule


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """True boxes of one image.

    Attributes:
        xyxy: (K, 4) float32, in the pixels of the detections they are held against.
        label: (K,) int64.
        ignore: (M, 4) float32; detections inside count neither way.
    """

    xyxy: NDArray[np.float32]
    label: NDArray[np.int64]
    ignore: NDArray[np.float32]


def truth_judged(rule: BoxRule, truth: Truth, px_per_cell: float = 1.0) -> Truth:
    """The true boxes that a rule lets count, as the Prophesee protocol does (Perot et al. 2020).

    Small ones become regions to ignore, so that neither finding nor missing them counts. `skip_us` is for
    whoever cuts windows out of recordings.

    Args:
        rule: least diagonal and side, sensor pixels.
        truth: of one image.
        px_per_cell: sensor pixels a pixel of the boxes.
    """
    large = _large(rule, truth.xyxy * np.float32(px_per_cell))
    ignore = np.concatenate([truth.ignore, truth.xyxy[~large]])
    return Truth(truth.xyxy[large], truth.label[large], ignore)


def found_judged(rule: BoxRule, found: Detections, px_per_cell: float = 1.0) -> Detections:
    """The detections that a rule lets count: small ones go."""
    return found[_large(rule, found.xyxy * np.float32(px_per_cell))]


def _large(rule: BoxRule, xyxy: NDArray[np.float32]) -> NDArray[np.bool_]:
    sides = xyxy[:, 2:] - xyxy[:, :2]
    diagonal, side = np.hypot(*sides.T), sides.min(1, initial=np.inf)
    large: NDArray[np.bool_] = (diagonal >= rule.min_diagonal_px) & (side >= rule.min_side_px)
    return large


def total_boxes(truth: Sequence[Truth]) -> int:
    """True boxes of all images."""
    return sum(len(each.label) for each in truth)
