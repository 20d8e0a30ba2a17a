"""Box arithmetic in numpy; every name says the frame of what goes in and what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]


def cxcywh_to_xyxy(boxes: FloatArray) -> FloatArray:
    """(..., 4) centre x, centre y, width, height to left, top, right, bottom; same unit, same dtype."""
    centre, half = boxes[..., :2], boxes[..., 2:4] / 2
    return np.concatenate([centre - half, centre + half], axis=-1)


def xyxy_to_cxcywh(boxes: FloatArray) -> FloatArray:
    """(..., 4) left, top, right, bottom to centre x, centre y, width, height; same unit, same dtype."""
    low, high = boxes[..., :2], boxes[..., 2:4]
    return np.concatenate([(low + high) / 2, high - low], axis=-1)


def clip_xyxy(boxes: FloatArray, width: float, height: float) -> FloatArray:
    """(..., 4) boxes cut to 0..width and 0..height; a box outside becomes one without area."""
    limit = np.array([width, height, width, height], boxes.dtype)
    clipped: FloatArray = np.clip(boxes, 0, limit)
    return clipped


def xyxy_area(boxes: FloatArray) -> FloatArray:
    """(...,) area of (..., 4) boxes, 0 where right lies left of left or bottom above top."""
    sides = np.maximum(boxes[..., 2:4] - boxes[..., :2], 0)
    area: FloatArray = sides[..., 0] * sides[..., 1]
    return area


def iou_xyxy(first: FloatArray, second: FloatArray) -> FloatArray:
    """Intersection over union of two sets of boxes, broadcast against each other.

    Shape:
        first (..., 4), second (..., 4) -> (...), 0..1. For all pairs pass `first[:, None]`, `second[None]`.

    Two boxes without area overlap by 0.
    """
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:4], second[..., 2:4])
    sides = np.maximum(high - low, 0)
    shared = sides[..., 0] * sides[..., 1]
    union = xyxy_area(first) + xyxy_area(second) - shared
    iou: FloatArray = shared / np.where(union > 0, union, 1)
    return iou
