"""`match`: which detection finds which true box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.boxes import iou_xyxy, xyxy_area
from model.detections import Detections
from training.metrics import Truth


def match(
    found: Detections, truth: Truth, iou: float = 0.5, *, any_class: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Which true box each detection finds, best score first, each true box once.

    Args:
        found: detections of one image.
        truth: of the same image.
        iou: least overlap.
        any_class: let a detection that finds no box of its class find one of another that is left over.

    Returns:
        (N,) index of the true box or -1, and (N,) whether a detection without one lies in a region to ignore.
    """
    partner = np.full(len(found), -1, np.int64)
    taken = np.zeros(len(truth.label), bool)
    overlap = iou_xyxy(found.xyxy[:, None], truth.xyxy[None])
    same = found.label[:, None] == truth.label[None]
    for allowed in (same, ~same) if any_class else (same,):
        _assign(np.where(allowed & (overlap >= iou), overlap, -1.0), found.score, partner, taken)
    return partner, (partner < 0) & (_share_inside(found.xyxy, truth.ignore) >= iou)


def _assign(
    worth: NDArray[np.floating],
    score: NDArray[np.float32],
    partner: NDArray[np.int64],
    taken: NDArray[np.bool_],
) -> None:
    """Gives free detections, best score first, the free box of most `worth` (N, K); below 0 is none."""
    for i in np.argsort(-score, kind="stable"):
        free = ~taken & (worth[i] >= 0)
        if partner[i] < 0 and free.any():
            partner[i] = np.argmax(np.where(free, worth[i], -1))
            taken[partner[i]] = True


def _share_inside(xyxy: NDArray[np.float32], regions: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N,) largest share of each box's area that one region covers."""
    low = np.maximum(xyxy[:, None, :2], regions[None, :, :2])
    high = np.minimum(xyxy[:, None, 2:], regions[None, :, 2:])
    covered = np.clip(high - low, 0, None).prod(-1)
    share: NDArray[np.float64] = covered.max(1, initial=0) / np.maximum(xyxy_area(xyxy), 1e-9)
    return share
