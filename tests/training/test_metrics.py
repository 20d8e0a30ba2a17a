"""AP and F1 against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model.detections import Detections
from training.metrics import Truth, average_precision, best_f1, match

CLASSES = ("person", "car")
BOX = (10, 10, 50, 90)
FAR = (200, 100, 240, 180)


def found(*rows: tuple[tuple[float, ...], float, int]) -> Detections:
    boxes = np.array([box for box, _, _ in rows], np.float32).reshape(-1, 4)
    return Detections(
        boxes,
        np.array([s for _, s, _ in rows], np.float32),
        np.array([k for _, _, k in rows], np.int64),
        CLASSES,
    )


def truth(*rows: tuple[tuple[float, ...], int], ignore: tuple[tuple[float, ...], ...] = ()) -> Truth:
    return Truth(
        np.array([box for box, _ in rows], np.float32).reshape(-1, 4),
        np.array([label for _, label in rows], np.int64),
        np.array(ignore, np.float32).reshape(-1, 4),
    )


def test_perfect_boxes_score_one() -> None:
    scores = average_precision([found((BOX, 0.9, 0))], [truth((BOX, 0))], CLASSES)
    assert scores.map50 == pytest.approx(1)
    assert scores.map50_95 == pytest.approx(1)
    assert math.isnan(scores.ap50["car"])


def test_a_false_box_above_the_true_one_halves_precision() -> None:
    scores = average_precision([found((FAR, 0.9, 0), (BOX, 0.5, 0))], [truth((BOX, 0))], CLASSES)
    assert scores.ap50["person"] == pytest.approx(0.5)


def test_one_of_two_found_fills_the_lower_half_of_the_recalls() -> None:
    scores = average_precision([found((BOX, 0.9, 0))], [truth((BOX, 0), (FAR, 0))], CLASSES)
    assert scores.ap50["person"] == pytest.approx(51 / 101)  # recall points 0, 0.01 ... 0.5


def test_a_loose_box_counts_at_low_overlap_only() -> None:
    loose = (10, 10, 50, 90 + 80 * 0.4)  # IoU 1 / 1.4 = 0.714: right at 0.5 ... 0.7
    scores = average_precision([found((loose, 0.9, 0))], [truth((BOX, 0))], CLASSES)
    assert scores.ap50["person"] == pytest.approx(1)
    assert scores.ap50_95["person"] == pytest.approx(0.5)


def test_regions_to_ignore_hide_false_boxes() -> None:
    boxes = [found((FAR, 0.9, 0), (BOX, 0.5, 0))]
    scores = average_precision(boxes, [truth((BOX, 0), ignore=(FAR,))], CLASSES)
    assert scores.ap50["person"] == pytest.approx(1)


def test_nothing_found_scores_zero_and_nothing_to_find_scores_nothing() -> None:
    assert average_precision([found()], [truth((BOX, 0))], CLASSES).map50 == 0
    assert math.isnan(average_precision([found((BOX, 0.5, 0))], [truth()], CLASSES).map50)


def test_the_mean_is_over_classes_that_have_boxes() -> None:
    scores = average_precision([found((BOX, 0.9, 0))], [truth((BOX, 0), (FAR, 1))], CLASSES)
    assert scores.map50 == pytest.approx(0.5)


def test_each_true_box_is_found_once_and_by_its_class_alone() -> None:
    boxes = found((BOX, 0.9, 0), (BOX, 0.8, 0), (BOX, 0.7, 1))
    partner, ignored = match(boxes, truth((BOX, 0)))
    assert partner.tolist() == [0, -1, -1]
    assert not ignored.any()


def test_best_f1_finds_the_threshold() -> None:
    boxes = [found((BOX, 0.9, 0), (FAR, 0.2, 0)), found((BOX, 0.6, 0), (FAR, 0.3, 0))]
    best = best_f1(boxes, [truth((BOX, 0)), truth((BOX, 0))])
    assert best.threshold == pytest.approx(0.6)
    assert (best.precision, best.recall, best.f1) == (1, 1, 1)


def test_best_f1_leaves_out_what_is_ignored() -> None:
    best = best_f1([found((FAR, 0.9, 0), (BOX, 0.5, 0))], [truth((BOX, 0), ignore=(FAR,))])
    assert best.f1 == 1


def test_best_f1_of_nothing_right_is_zero() -> None:
    assert best_f1([found((FAR, 0.9, 0))], [truth((BOX, 0))]).f1 == 0
    assert best_f1([], []).f1 == 0
