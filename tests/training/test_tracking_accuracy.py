"""Figures of ids: small cases worked out by hand, streets made by hand, and a simulated one."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.card import load_card
from model.card_page import card_to_markdown
from model.detections import Detections
from model.detector import Detector
from model.tracking import TrackerSettings
from streaming.errors import BadSource
from tests.training.cards import CLASSES, tiny_weights
from training.evaluate import EvaluationSettings, evaluate, write_card
from training.metrics.tracking import Moment, NamedBoxes, TrackScores, track_scores
from training.streaming_accuracy import StreamingSettings
from training.tracking_accuracy import Look, measure_tracking, scores_of

SMALL_STREET = StreamingSettings(1, 1.2, "sim://street?width=96&height=64&people=6")
NOBODY: tuple[tuple[int, float], ...] = ()


def boxes(whos: Sequence[tuple[int, float]], label: int = 0) -> NamedBoxes:
    """20 x 40 boxes of (id, left)."""
    xyxy = np.array([(x, 0, x + 20, 40) for _, x in whos], np.float32).reshape(-1, 4)
    return NamedBoxes(xyxy, np.full(len(whos), label), np.array([who for who, _ in whos], np.int64))


def moment(truth: Sequence[tuple[int, float]], found: Sequence[tuple[int, float]]) -> Moment:
    return Moment(boxes(truth), boxes(found))


def test_ids_that_last_are_perfect() -> None:
    street = [moment([(7, k), (9, 200 - k)], [(1, k), (2, 200 - k)]) for k in range(5)]
    assert track_scores([street]) == TrackScores(1, 1, 1, 1, 1, 0, 2)


def test_an_object_with_two_ids_one_after_the_other() -> None:
    """Six true boxes, all found. The better of two ids covers 3: IDF1 = 2*3 / (6 + 6)."""
    street = [moment([(5, 0)], [(1 if k < 3 else 2, 0)]) for k in range(6)]
    scores = track_scores([street])
    assert scores.switches == 1
    assert scores.idf1 == pytest.approx(1 / 2)
    assert scores.mota == pytest.approx(1 - 1 / 6)
    assert scores.det_a == pytest.approx(1)
    assert scores.ass_a == pytest.approx(3 / 6)  # of every box: 3 alike, 3 of the object with another id
    assert scores.hota == pytest.approx(math.sqrt(1 / 2))
    assert scores.tracks == 2


def test_two_objects_that_swap_their_ids() -> None:
    """Eight true boxes, all found; every box: 2 alike, 2 of its object missed, 2 of its id elsewhere."""
    street = [
        moment([(5, 0), (6, 100)], [(1, 0), (2, 100)] if k < 2 else [(2, 0), (1, 100)]) for k in range(4)
    ]
    scores = track_scores([street])
    assert scores.switches == 2
    assert scores.idf1 == pytest.approx(4 / 8)
    assert scores.mota == pytest.approx(1 - 2 / 8)
    assert scores.ass_a == pytest.approx(2 / 6)
    assert scores.hota == pytest.approx(math.sqrt(1 / 3))


def test_misses_and_false_boxes() -> None:
    """Four true boxes, one missed, and one box where nothing is."""
    street = [moment([(5, 0)], [(1, 0)]) for _ in range(2)]
    street += [moment([(5, 0)], NOBODY), moment([(5, 0)], [(1, 0), (2, 300)])]
    scores = track_scores([street])
    assert scores.mota == pytest.approx(1 - 2 / 4)
    assert scores.idf1 == pytest.approx(2 * 3 / (4 + 4))
    assert scores.det_a == pytest.approx(3 / 5)
    assert scores.ass_a == pytest.approx(3 / 4)
    assert scores.switches == 0


def test_a_third_of_overlap_counts_in_hota_alone() -> None:
    """20 px wide boxes 10 px apart: IoU 1/3, which is enough for the thresholds 0.05 ... 0.3, 6 of 19."""
    scores = track_scores([[moment([(5, 0)], [(1, 10)]) for _ in range(4)]])
    assert scores.hota == pytest.approx(6 / 19)
    assert scores.idf1 == 0
    assert scores.mota == pytest.approx(1 - 8 / 4)


def test_boxes_of_another_class_are_wrong() -> None:
    scores = track_scores([[Moment(boxes([(5, 0)]), boxes([(1, 0)], label=1)) for _ in range(4)]])
    assert (scores.hota, scores.idf1) == (0, 0)
    assert scores.mota == pytest.approx(-1)


def test_ids_of_one_scene_mean_nothing_in_another() -> None:
    scores = track_scores([[moment([(5, 0)], [(1, 0)])] * 3, [moment([(6, 0)], [(1, 0)])] * 3])
    assert (scores.idf1, scores.switches, scores.tracks) == (1, 0, 2)


def test_a_street_without_anything_is_measured() -> None:
    scores = track_scores([[moment(NOBODY, NOBODY)] * 3])
    assert (scores.switches, scores.tracks) == (0, 0)


def crossing(answers: int = 40) -> list[Look]:
    """Two people walk past each other; the second is hidden at answers 12 to 19."""
    street = []
    for k in range(answers):
        there = [(5, 4.0 * k)] + ([] if 12 <= k < 20 else [(6, 120 - 4.0 * k)])
        truth = boxes(there)
        score = np.full(len(there), 0.9, np.float32)
        street.append(Look((k + 1) * 40_000, Detections(truth.xyxy, score, truth.label, CLASSES), truth))
    return street


def test_the_tracker_stands_beside_a_plain_way_and_what_can_be_reached() -> None:
    scores = scores_of([crossing()], SMALL_STREET, TrackerSettings(least_hits=3))
    assert (scores.moments, scores.objects, scores.boxes) == (40, 2, 72)
    assert scores.hidden == 1
    assert scores.tracker.switches == 0
    assert scores.tracker.tracks == 2
    assert scores.tracker.idf1 == pytest.approx(2 * 68 / (72 + 68))  # two boxes of each come before its id
    assert scores.true_boxes == scores.tracker  # for these boxes are the true ones
    assert scores.overlap.switches >= 1
    assert scores.overlap.tracks == 3
    assert scores.named == TrackScores(1, 1, 1, 1, 1, 0, 2)
    assert scores.settings["least_hits"] == 3


def test_crossings_are_pairs_that_overlap() -> None:
    street = crossing()
    assert scores_of([street], SMALL_STREET, TrackerSettings()).crossings == 0  # hidden while they cross
    met = [replace(look, truth=boxes([(5, 0), (6, 10), (7, 200)])) for look in street]
    assert scores_of([met, met], SMALL_STREET, TrackerSettings()).crossings == 2


def test_the_truth_is_asked_for_now_and_then_but_every_answer_is_followed() -> None:
    street = [replace(look, truth=look.truth if k % 4 == 3 else None) for k, look in enumerate(crossing())]
    scores = scores_of([street], SMALL_STREET, TrackerSettings(least_hits=3))
    assert scores.moments == 10
    assert (scores.tracker.switches, scores.tracker.tracks) == (0, 2)


def test_false_boxes_have_no_name_in_common() -> None:
    street = [
        Look((k + 1) * 40_000, Detections(
            boxes([(0, 300.0)]).xyxy, np.array([0.9], np.float32), np.array([0]), CLASSES), boxes([(5, 0)]))
        for k in range(4)
    ]  # fmt: skip
    scores = scores_of([street], SMALL_STREET, TrackerSettings(least_hits=1))
    assert scores.named.tracks == 4
    assert scores.tracker.tracks == 1
    assert scores.tracker.mota == pytest.approx(-1)


def test_a_street_is_watched_written_and_shown(tmp_path: Path) -> None:
    weights = tiny_weights(tmp_path)
    told: list[tuple[str, int, int]] = []
    settings = EvaluationSettings(tracking=SMALL_STREET, engine="torch")
    found = evaluate(weights, ("tracking",), settings, lambda *progress: told.append(progress))
    assert told == [("tracking", 1, 1)]
    block = found.metrics["tracking"]
    assert list(found.metrics) == ["tracking"]
    assert block["moments"] == 14  # 544 ms, and every third answer of 16 ms after it
    assert block["boxes"] >= block["objects"] > 0
    assert block["true_boxes"]["det_a"] > 0.5
    assert block["tracker"]["hota"] < 0.1  # it has learnt nothing
    assert block["settings"]["high"] == load_card(weights).threshold
    card = load_card(write_card(weights, found))
    assert card.metrics["tracking"] == json.loads(json.dumps(block))
    page = card_to_markdown(card)
    assert "## Tracks" in page
    assert "the tracker on the true boxes" in page
    assert (
        "spikesight evaluate tiny --tracking --streets 1 --seconds 1.2 "
        "--scene 'sim://street?width=96&height=64&people=6' --write" in page
    )


def test_a_scene_that_means_nothing_is_refused(tmp_path: Path) -> None:
    detector = Detector.load(tiny_weights(tmp_path), engine="torch")
    with pytest.raises(BadSource, match="sim://nowhere"):
        measure_tracking(detector, StreamingSettings(1, 1.0, "sim://nowhere?"))
