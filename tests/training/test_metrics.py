"""AP, thresholds and confusion against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model.detections import Detections
from training.datasets import BoxRule
from training.metrics import Truth, found_judged, truth_judged
from training.metrics.average_precision import average_precision, size_limits
from training.metrics.confusion import confusion
from training.metrics.matching import match
from training.metrics.operating import operating_point

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


def test_a_box_of_another_class_is_found_only_if_its_own_leaves_it() -> None:
    boxes = found((BOX, 0.9, 1), (BOX, 0.5, 0), (FAR, 0.4, 1))
    partner, _ = match(boxes, truth((BOX, 0), (FAR, 0)), any_class=True)
    assert partner.tolist() == [-1, 0, 1]


def test_sizes_part_at_the_shares_of_the_picture_that_coco_has() -> None:
    assert size_limits((640, 480)) == (32, 96)
    assert size_limits((256, 192)) == pytest.approx((12.8, 38.4))
    small, large = (0, 0, 8, 8), (50, 50, 150, 150)
    scores = average_precision(
        [found((small, 0.9, 0), (FAR, 0.8, 0))], [truth((small, 0), (large, 0))], CLASSES, (256, 192)
    )
    assert scores.sizes["small"].map50 == pytest.approx(1)  # the false box is not small
    assert scores.sizes["large"].map50 == 0
    assert math.isnan(scores.sizes["medium"].map50)
    assert [scores.sizes[size].boxes for size in ("small", "medium", "large")] == [1, 0, 1]
    assert (scores.sizes["medium"].from_side, scores.sizes["large"].to_side) == (pytest.approx(12.8), None)


def test_the_rule_hides_small_boxes_found_and_true() -> None:
    rule, narrow = BoxRule(min_diagonal_px=30, min_side_px=10), (0, 0, 4, 40)
    kept = truth_judged(rule, truth((BOX, 0), (narrow, 1)))
    assert kept.label.tolist() == [0]
    assert kept.ignore.tolist() == [list(narrow)]
    boxes = found((BOX, 0.9, 0), (narrow, 0.8, 1))
    assert found_judged(rule, boxes).label.tolist() == [0]
    half = truth_judged(rule, truth(((0, 0, 8, 40), 0)), px_per_cell=2.0)  # 16 x 80 on the sensor
    assert half.label.tolist() == [0]


def test_the_best_f1_is_the_threshold() -> None:
    boxes = [found((BOX, 0.9, 0), (FAR, 0.2, 0)), found((BOX, 0.6, 0), (FAR, 0.3, 0))]
    best = operating_point(boxes, [truth((BOX, 0)), truth((BOX, 0))])
    assert best.threshold == best.best_f1_threshold == 0.6
    assert (best.precision, best.recall, best.f1, best.false_boxes) == (1, 1, 1, 0)


def test_false_boxes_raise_the_threshold_above_the_best_f1() -> None:
    # One false box a window above half of the true ones: the best F1 takes all, quiet takes none of them.
    boxes = [found((BOX, 0.9, 0), (FAR, 0.5, 0), ((60, 100, 90, 180), 0.4, 0)) for _ in range(10)]
    gold = [truth((BOX, 0), ((60, 100, 90, 180), 0))] * 10
    best = operating_point(boxes, gold)
    assert (best.best_f1_threshold, best.quiet_threshold) == (0.4, 0.501)
    assert (best.threshold, best.recall, best.precision, best.false_boxes) == (0.501, 0.5, 1, 0)
    loud = operating_point(boxes, gold, quiet=1.0)
    assert (loud.threshold, loud.recall, loud.false_boxes) == (0.4, 1, 1)
    assert operating_point(boxes, gold, 0.45).false_boxes == 1


def test_the_threshold_leaves_out_what_is_ignored() -> None:
    best = operating_point([found((FAR, 0.9, 0), (BOX, 0.5, 0))], [truth((BOX, 0), ignore=(FAR,))])
    assert (best.f1, best.false_boxes) == (1, 0)


def test_nothing_right_has_no_f1() -> None:
    wrong = operating_point([found((FAR, 0.9, 0))], [truth((BOX, 0))])
    assert (wrong.f1, wrong.recall, wrong.false_boxes) == (0, 0, 0)
    assert wrong.threshold > 0.9
    assert operating_point([], []).f1 == 0


def test_confusion_counts_hits_mistakes_misses_and_false_boxes() -> None:
    boxes = [found((BOX, 0.9, 0), (FAR, 0.8, 0), ((60, 100, 90, 180), 0.7, 1), (BOX, 0.1, 1))]
    gold = [truth((BOX, 0), (FAR, 1), ((120, 0, 160, 60), 1))]
    sheet = confusion(boxes, gold, CLASSES, threshold=0.3)
    assert sheet.classes == ("person", "car", "background")
    assert sheet.counts == (
        (1, 0, 0),  # the person is found
        (1, 0, 1),  # one car is taken for a person, one is missed
        (0, 1, 0),  # a car where nothing is
    )


def test_confusion_leaves_out_what_is_ignored() -> None:
    sheet = confusion([found((FAR, 0.9, 0))], [truth(ignore=(FAR,))], CLASSES, threshold=0.3)
    assert sum(map(sum, sheet.counts)) == 0
