"""Raw maps of the head to boxes: YOLOv5 decoding and class-aware non-maximum suppression, in numpy.

Only cells whose objectness passes the threshold are decoded, because score = objectness * class and so at
most the objectness; on a quiet scene that leaves a handful of some hundred cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.boxes import clip_xyxy, cxcywh_to_xyxy, iou_xyxy, xyxy_area
from model.detections import Detections
from model.errors import BadMaps, BadSetting

MAX_DETECTIONS = 300
"""Boxes that leave `detections` at most, the best ones; the protocol of COCO tools asks for no more."""

MAX_CANDIDATES = 3_000
"""Boxes that enter the suppression at most, the best ones; bounds the time of one answer at threshold 0."""

Anchors = Sequence[Sequence[tuple[float, float]]]


def detections(
    maps: Sequence[NDArray[np.floating]],
    anchors: Anchors,
    strides: Sequence[int],
    classes: tuple[str, ...],
    *,
    threshold: float,
    iou: float,
    multi_label: bool = False,
    max_detections: int = MAX_DETECTIONS,
) -> list[Detections]:
    """Decode, threshold and suppress: one `Detections` per row of the batch.

    Args:
        maps: per level (B, A, ny, nx, 5 + K) raw head output (logits).
        anchors: per level A anchors (width, height) in grid cells.
        strides: per level, grid cells per map cell.
        classes: K names.
        threshold: least score, 0..1; score = objectness * class probability.
        iou: overlap above which the lower score of the same class goes, 0..1.
        multi_label: let a cell answer with every class that passes, as for mAP, instead of its best one.
        max_detections: boxes per row at most.

    Returns:
        Boxes xyxy in grid cells, cut to the grid (those outside it dropped), best score first; equal scores
        keep the order of the maps.

    Raises:
        BadSetting: a threshold is NaN or outside 0..1, or a limit is not positive.
        BadMaps: maps do not fit anchors, strides, classes or each other, or hold NaN or infinity.
    """
    check_unit(threshold, "threshold")
    check_unit(iou, "iou")
    if max_detections < 1:
        raise BadSetting(f"max_detections is {max_detections}; ask for at least 1 box")
    _check_maps(maps, anchors, strides, len(classes))
    level = _Picker(anchors, strides, threshold, multi_label)
    size = (maps[0].shape[3] * strides[0], maps[0].shape[2] * strides[0])
    picked = (level.row([m[row] for m in maps]) for row in range(maps[0].shape[0]))
    return [
        _finish(boxes, score, label, classes, iou, max_detections, size) for boxes, score, label in picked
    ]


def decode(
    maps: Sequence[NDArray[np.floating]], anchors: Anchors, strides: Sequence[int]
) -> NDArray[np.floating]:
    """All cells of all levels as boxes and probabilities, nothing filtered.

    Shape:
        maps: per level (B, A, ny, nx, 5 + K) -> (B, N, 5 + K), N = sum of A * ny * nx, in the order level,
        anchor, row, column. Last axis: centre x, centre y, width, height in grid cells, then objectness and
        class probabilities in 0..1.

    Source: xy = (2 s - 0.5 + cell) * stride, wh = (2 s)^2 * anchor with s = sigmoid(map), as YOLOv5.
    """
    rows = [_decode_level(*level) for level in zip(maps, anchors, strides, strict=True)]
    return np.concatenate(rows, axis=1)


def nms(
    xyxy: NDArray[np.floating],
    score: NDArray[np.floating],
    label: NDArray[np.int64],
    iou: float,
    max_detections: int = MAX_DETECTIONS,
) -> NDArray[np.int64]:
    """Greedy suppression within each class.

    Shape:
        xyxy (N, 4), score (N,), label (N,) -> indices (M,) int64, best score first, M <= max_detections.

    Classes are compared as such, never moved apart by an offset, so that boxes of any size and place are
    right. A box goes when it overlaps a better one of its class by more than `iou`.
    """
    order = np.argsort(-score, kind="stable")
    kept: list[int] = []
    while order.size and len(kept) < max_detections:
        best, order = order[0], order[1:]
        kept.append(int(best))
        rival = (label[order] == label[best]) & (iou_xyxy(xyxy[best], xyxy[order]) > iou)
        order = order[~rival]
    return np.array(kept, np.int64)


def check_unit(value: float, name: str) -> None:
    """Refuse what is not a number in 0..1.

    Raises:
        BadSetting: the value is NaN or outside 0..1.
    """
    if not 0 <= value <= 1:
        raise BadSetting(f"{name} is {value}; give a number from 0 to 1")


class _Picker:
    """Candidates of one row: cells past the threshold, decoded."""

    def __init__(self, anchors: Anchors, strides: Sequence[int], threshold: float, multi_label: bool) -> None:
        self.anchors = [np.asarray(a, np.float32) for a in anchors]
        self.strides = strides
        self.threshold = threshold
        self.multi_label = multi_label
        self.least_logit = _logit(threshold)

    def row(
        self, maps: Sequence[NDArray[np.floating]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        parts = [self._level(*each) for each in zip(maps, self.anchors, self.strides, strict=True)]
        boxes, score, label = (np.concatenate(column) for column in zip(*parts, strict=True))
        if len(score) > MAX_CANDIDATES:
            best = np.sort(np.argsort(-score, kind="stable")[:MAX_CANDIDATES])
            boxes, score, label = boxes[best], score[best], label[best]
        return boxes, score, label

    def _level(
        self, level: NDArray[np.floating], anchors: NDArray[np.float32], stride: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        anchor, y, x = np.nonzero(level[..., 4] >= self.least_logit)
        prob = _sigmoid(level[anchor, y, x].astype(np.float32))
        cell, label, score = self._scores(prob)
        prob, anchor = prob[cell], anchor[cell]
        grid = np.stack([x[cell], y[cell]], axis=-1).astype(np.float32)
        xy = (2 * prob[:, :2] - np.float32(0.5) + grid) * np.float32(stride)
        wh = (2 * prob[:, 2:4]) ** 2 * anchors[anchor]
        boxes = cxcywh_to_xyxy(np.concatenate([xy, wh], axis=-1)).astype(np.float32)
        return boxes, score, label

    def _scores(
        self, prob: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Cell, label and score of everything at or above the threshold."""
        score = prob[:, 4:5] * prob[:, 5:]
        passes = score >= self.threshold
        if not self.multi_label:
            best = np.zeros_like(passes)
            best[np.arange(len(score)), score.argmax(axis=1)] = True
            passes &= best
        cell, label = np.nonzero(passes)
        return cell, label, score[cell, label]


def _finish(
    boxes: NDArray[np.float32],
    score: NDArray[np.float32],
    label: NDArray[np.int64],
    classes: tuple[str, ...],
    iou: float,
    max_detections: int,
    size: tuple[int, int],
) -> Detections:
    cut = clip_xyxy(boxes, *size).astype(np.float32)
    inside = xyxy_area(cut) > 0
    cut, boxes, score, label = cut[inside], boxes[inside], score[inside], label[inside]
    kept = nms(boxes, score, label, iou, max_detections)
    return Detections(cut[kept], score[kept], label[kept], classes)


def _decode_level(
    level: NDArray[np.floating], anchors: Sequence[tuple[float, float]], stride: int
) -> NDArray[np.floating]:
    batch, _, ny, nx, columns = level.shape
    prob = _sigmoid(level)
    y, x = np.mgrid[:ny, :nx].astype(level.dtype)
    xy = (2 * prob[..., :2] - 0.5 + np.stack([x, y], axis=-1)) * stride
    wh = (2 * prob[..., 2:4]) ** 2 * np.asarray(anchors, level.dtype)[:, None, None]
    return np.concatenate([xy, wh, prob[..., 4:]], axis=-1).reshape(batch, -1, columns)


def _check_maps(
    maps: Sequence[NDArray[np.floating]], anchors: Anchors, strides: Sequence[int], classes: int
) -> None:
    if not len(maps) == len(anchors) == len(strides) > 0:
        raise BadMaps(f"got {len(maps)} maps for {len(anchors)} anchor levels and {len(strides)} strides")
    size = (maps[0].shape[0], maps[0].shape[2] * strides[0], maps[0].shape[3] * strides[0])
    for level, (array, anchor, stride) in enumerate(zip(maps, anchors, strides, strict=True)):
        wanted = (size[0], len(anchor), size[1] // stride, size[2] // stride, 5 + classes)
        if array.shape != wanted:
            raise BadMaps(f"map {level} has shape {array.shape}, the network has {wanted}")
        if not np.isfinite(array).all():
            raise BadMaps(
                f"map {level} holds NaN or infinity; reset the state, and check the weights if it recurs"
            )


def _sigmoid(x: NDArray[np.floating]) -> NDArray[np.floating]:
    # exp of a large positive number overflows; 0.5 * (1 + tanh(x / 2)) is the same and cannot.
    y: NDArray[np.floating] = 0.5 * (1 + np.tanh(0.5 * x))
    return y


def _logit(threshold: float) -> float:
    """Least logit whose sigmoid may pass `threshold`; a little low, as the score is tested exactly later."""
    if threshold <= 0:
        return -math.inf
    p = min(threshold, 0.9999)
    return math.log(p / (1 - p)) - 1e-3
