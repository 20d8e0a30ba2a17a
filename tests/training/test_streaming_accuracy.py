"""Streaming accuracy: late answers meet the truth of when they are out."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from model.detections import Detections
from model.detector import Detector
from streaming.errors import BadSource
from tests.training.cards import tiny_weights
from training.metrics import Truth
from training.metrics.average_precision import average_precision
from training.metrics.streaming import DROPPED, TimedAnswer, newest_out, out_times, paired
from training.streaming_accuracy import StreamingSettings, measure_streaming

CLASSES = ("person",)
READY_US = np.array([[10, 20], [30, 40], [50, 60], [70, 80]])


def box_at(x: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array([[x, 0, x + 20, 40]], np.float32)


def answer(end_us: int, out_us: int, x: float) -> TimedAnswer:
    found = Detections(box_at(x), np.array([0.9], np.float32), np.array([0], np.int64), CLASSES)
    return TimedAnswer(end_us, out_us, found)


def test_answers_wait_for_their_steps_and_for_the_processor() -> None:
    quick = np.full((4, 2), 3)
    assert out_times(READY_US, quick).tolist() == [23, 43, 63, 83]
    slow = np.full((4, 2), 12)  # 24 us of work every 20 us
    assert out_times(READY_US, slow).tolist() == [34, 58, 82, 106]


def test_a_window_is_dropped_where_the_next_is_complete_before_it_begins() -> None:
    cost = np.array([[3, 3], [3, 50], [3, 3], [3, 3]])  # done at 90, when the last window is complete
    assert out_times(READY_US, cost).tolist() == [23, 90, DROPPED, 96]


def test_the_newest_answer_that_is_out_counts() -> None:
    answers = [answer(20, 25, 0), answer(40, 55, 1)]
    seen = newest_out(answers, [20, 25, 54, 55, 90])
    assert [None if each is None else each.end_us for each in seen] == [None, 20, 20, 40, 40]


def test_latency_costs_what_the_object_moves_meanwhile() -> None:
    """A box that moves 4 px each 10 us: an answer is right when out at once, wrong 30 us later."""
    truth = [
        (t, Truth(box_at(0.4 * t), np.array([0]), np.zeros((0, 4), np.float32))) for t in range(0, 100, 10)
    ]

    def ap50(delay_us: int) -> float:
        answers = [answer(t, t + delay_us, 0.4 * t) for t in range(0, 100, 10)]
        return average_precision(*paired(answers, truth, CLASSES), CLASSES).map50

    assert ap50(0) == pytest.approx(1)
    assert ap50(10) == pytest.approx(0.9, abs=0.02)  # IoU 0.67; at the first moment no answer is out
    assert ap50(30) == 0  # IoU 0.25


def test_a_street_is_watched_with_a_given_and_a_measured_latency(tmp_path: Path) -> None:
    detector = Detector.load(tiny_weights(tmp_path), engine="torch")
    told: list[tuple[int, int]] = []
    settings = StreamingSettings(1, 0.8, "sim://street?width=96&height=64&people=4", latency_ms=0.0)
    given = measure_streaming(detector, settings, lambda *progress: told.append(progress))
    assert told == [(1, 1)]
    assert (given.answers, given.dropped, given.latency_ms, given.given_latency_ms) == (50, 0, 0, 0)
    assert given.moments == 38  # 504, 512 ... 800 ms: the first half second does not count
    late = measure_streaming(detector, StreamingSettings(1, 0.8, settings.scene, latency_ms=100.0))
    assert late.dropped > 30  # one answer each 100 ms of 16 ms windows
    measured = measure_streaming(detector, StreamingSettings(1, 0.8, settings.scene))
    assert (measured.engine, measured.given_latency_ms) == ("torch", None)
    assert measured.latency_ms > 0
    assert not math.isnan(measured.map50)


def test_a_rolling_network_answers_every_step_and_old_answers_are_worth_less(tmp_path: Path) -> None:
    rolling = Detector.load(tiny_weights(tmp_path, mode="rolling"), engine="torch")
    settings = StreamingSettings(1, 0.8, "sim://street?width=96&height=64&people=4", latency_ms=0.0)
    scores = measure_streaming(rolling, settings)
    assert scores.answers == 100
    assert list(scores.delays)[:3] == ["0", "8", "16"]
    assert scores.delays["0"] == pytest.approx(scores.map50, nan_ok=True)
    assert scores.energy_mj_s > 0


def test_a_scene_that_means_nothing_is_refused(tmp_path: Path) -> None:
    detector = Detector.load(tiny_weights(tmp_path), engine="torch")
    with pytest.raises(BadSource, match="sim://nowhere"):
        measure_streaming(detector, StreamingSettings(1, 1.0, "sim://nowhere?"))
