"""`operating_point`: the score threshold that users get, and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.detections import Detections
from training.metrics import Truth, total_boxes
from training.metrics.matching import match

QUIET = 0.3
"""False boxes a window that the default threshold allows: false alarms cost users more than misses."""

THRESHOLDS = np.arange(50, 1000) / 1000
"""Candidates; a card holds three digits, and its figures are then of exactly its threshold."""


@dataclass(frozen=True, slots=True)
class Operating:
    """What a score threshold gives at IoU 0.5, all classes together; precision, recall and f1 in 0..1.

    Attributes:
        threshold: least score of a box that counts.
        precision, recall, f1: at it.
        false_boxes: false boxes a window, at it.
        best_f1_threshold: the threshold of the best F1.
        quiet_threshold: the least one with at most `QUIET` false boxes a window.
    """

    threshold: float
    precision: float
    recall: float
    f1: float
    false_boxes: float
    best_f1_threshold: float
    quiet_threshold: float


def operating_point(
    found: Sequence[Detections],
    truth: Sequence[Truth],
    threshold: float | None = None,
    *,
    quiet: float = QUIET,
    iou: float = 0.5,
) -> Operating:
    """The threshold of the best F1, but at least the one with at most `quiet` false boxes a window.

    Args:
        found: detections of each image, down to the first of `THRESHOLDS`.
        truth: the same images' true boxes.
        threshold: what to give the figures of instead of the rule's choice.
        quiet: false boxes a window.
        iou: least overlap of a hit.
    """
    score, hit = _scored(found, truth, iou)
    boxes, windows = total_boxes(truth), max(len(truth), 1)
    right, wrong = _counts(score, hit, THRESHOLDS)
    f1 = _f1(right, wrong, boxes)
    # Of equally good thresholds the highest: it has fewer boxes that nobody measured.
    best = float(THRESHOLDS[len(f1) - 1 - int(np.argmax(f1[::-1]))])
    few = np.flatnonzero(wrong <= quiet * windows)
    least = float(THRESHOLDS[few[0]]) if len(few) else 1.0
    chosen = max(best, least) if threshold is None else threshold
    (good,), (bad,) = _counts(score, hit, np.array([chosen]))
    return Operating(
        threshold=chosen,
        precision=float(good / max(good + bad, 1)),
        recall=float(good / max(boxes, 1)),
        f1=float(_f1(good, bad, boxes)),
        false_boxes=float(bad / windows),
        best_f1_threshold=best,
        quiet_threshold=least,
    )


def _scored(
    found: Sequence[Detections], truth: Sequence[Truth], iou: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(N,) score of each detection that counts, best first, and whether it is right."""
    scores, hits = [np.zeros(0, np.float32)], [np.zeros(0, bool)]
    for each, gold in zip(found, truth, strict=True):
        partner, ignored = match(each, gold, iou)
        scores.append(each.score[~ignored])
        hits.append(partner[~ignored] >= 0)
    # Scores are float32: 0.3 of a detector is a little more or less than the 0.3 of a card.
    score, hit = np.concatenate(scores).astype(np.float64), np.concatenate(hits)
    order = np.argsort(-score, kind="stable")
    return score[order], hit[order]


def _counts(
    score: NDArray[np.float64], hit: NDArray[np.bool_], thresholds: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Right and wrong detections at each threshold; `score` falls."""
    kept = np.searchsorted(-score, -thresholds, side="right")
    right = np.concatenate([[0], np.cumsum(hit)])[kept]
    return right, kept - right


def _f1(right: NDArray[np.int64], wrong: NDArray[np.int64], boxes: int) -> NDArray[np.float64]:
    f1: NDArray[np.float64] = 2 * right / np.maximum(right + wrong + boxes, 1)
    return f1
