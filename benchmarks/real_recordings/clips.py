"""Figures of labelled clips: people found and false boxes, at several thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.real_recordings.shifts import Shifted, shifted_windows
from benchmarks.real_recordings.watching import answers
from model.card import Card
from model.detections import Detections
from model.detector import Detector
from service.pipeline import DetectOptions
from training.metrics import Truth
from training.metrics.matching import match

IOU = 0.5
LADDER = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Thresholds for information, beside those that the card knows."""
RANGE, RESAMPLES = 0.8, 10_000


@dataclass(frozen=True, slots=True)
class Hits:
    """What was found in one clip or in several.

    Attributes:
        people: true boxes.
        found: of them, at IoU 0.5 and in the right class.
        false: boxes that found none.
    """

    people: int
    found: int
    false: int


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A labelled clip and all boxes found in it, sensor pixels.

    Attributes:
        name: of the recording, without its suffix.
        truth: boxes at its end.
        boxes: down to the least threshold that is asked for, of the window with most of the clip's events.
        shifted: boxes at the card's threshold, of windows that begin earlier and later.
    """

    name: str
    truth: Truth
    boxes: Detections
    shifted: Sequence[Shifted]

    def hits(self, threshold: float) -> Hits:
        return judge(self.boxes.above(threshold), self.truth)


def read_clip(path: Path, truth: Truth, detector: Detector) -> Clip:
    """Looks at a clip once down to the least threshold, and once per shift.

    Raises:
        StreamingError: the recording cannot be read, and why.
    """
    least = min(threshold for _, threshold in thresholds(detector.card))
    found = max(answers(path, detector, DetectOptions(threshold=least)), key=lambda answer: answer.events)
    return Clip(path.stem, truth, found.detections, list(shifted_windows(path, detector)))


def judge(found: Detections, truth: Truth) -> Hits:
    """Of one image; boxes in regions to ignore count neither way."""
    partner, ignored = match(found, truth, IOU)
    right = int((partner >= 0).sum())
    return Hits(len(truth.label), right, len(found) - right - int(ignored.sum()))


def together(hits: Sequence[Hits]) -> Hits:
    """The sums over clips."""
    return Hits(sum(h.people for h in hits), sum(h.found for h in hits), sum(h.false for h in hits))


def thresholds(card: Card) -> list[tuple[str, float]]:
    """Name and value: the card's default first; the others are for information."""
    operating = card.metrics.get("operating", {})
    known = [
        ("best F1 on simulated windows", operating.get("best_f1_threshold")),
        ("few false boxes on simulated windows", operating.get("quiet_threshold")),
    ]
    others = [(name, value) for name, value in known if value is not None]
    return [("the card's default", card.threshold), *others, *((f"{value:g}", value) for value in LADDER)]


def recall_range(hits: Sequence[Hits], seed: int = 0) -> tuple[float, float]:
    """The middle 80 % of the recall over resampled clips (bootstrap); NaN without people."""
    people = np.array([each.people for each in hits])
    found = np.array([each.found for each in hits])
    drawn = np.random.default_rng(seed).integers(0, len(hits), (RESAMPLES, len(hits)))
    there = people[drawn].sum(1)
    some = there > 0
    if not some.any():
        return float("nan"), float("nan")
    recall = found[drawn].sum(1)[some] / there[some]
    low, high = np.quantile(recall, [(1 - RANGE) / 2, (1 + RANGE) / 2])
    return float(low), float(high)
