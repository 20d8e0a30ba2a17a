"""`confusion`: what a network takes for what, at one threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.detections import Detections
from training.metrics import Truth
from training.metrics.matching import match

BACKGROUND = "background"


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of boxes at IoU 0.5.

    Attributes:
        classes: names of rows and columns; the last is `BACKGROUND`.
        counts: a row for what is there, a column for what was found there. The last column holds missed
            boxes, the last row found boxes where nothing is.
        threshold: least score of a detection.
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    threshold: float


def confusion(
    found: Sequence[Detections],
    truth: Sequence[Truth],
    classes: tuple[str, ...],
    threshold: float,
    iou: float = 0.5,
) -> Confusion:
    """Each true box with the detection that finds it, first of its own class, then of the others.

    Detections in regions to ignore are left out.
    """
    size = len(classes) + 1
    counts = np.zeros((size, size), np.int64)
    for each, gold in zip(found, truth, strict=True):
        kept = each.above(threshold)
        partner, ignored = match(kept, gold, iou, any_class=True)
        there = np.append(gold.label, size - 1)[partner]  # partner -1 is the last: background
        np.add.at(counts, (there[~ignored], kept.label[~ignored]), 1)
        missed = np.setdiff1d(np.arange(len(gold.label)), partner)
        np.add.at(counts[:, size - 1], gold.label[missed], 1)
    rows = tuple(tuple(int(n) for n in row) for row in counts)
    return Confusion((*classes, BACKGROUND), rows, threshold)
