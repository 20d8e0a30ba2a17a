"""The detector as its users see it: counts in, boxes out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from model.detector import Detector
from model.errors import BadSetting, BadState, BadWeights, UnknownModel
from model.state import split, stack
from tests.model.tiny import CLASSES, keep_step_graph, random_counts, write_tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPIKESIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield keep_step_graph(write_tiny(tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="module", params=["onnx", "torch"])
def detector(request: pytest.FixtureRequest, model: Path) -> Detector:
    return Detector.load(model, engine=request.param)


def run(detector: Detector, counts: np.ndarray) -> tuple[np.ndarray, ...]:
    state = detector.initial_state(len(counts))
    for t in range(counts.shape[1]):
        output = detector.step(counts[:, t], state)
        state = output.state
    return output.maps


def test_counts_become_boxes_in_the_grid(detector: Detector) -> None:
    maps = run(detector, random_counts(0, batch=2))
    found = detector.detections(maps, threshold=0.0, iou=0.5)
    assert len(found) == 2
    for boxes in found:
        assert boxes.classes == CLASSES
        assert len(boxes) > 0
        assert (boxes.xyxy <= [96, 64, 96, 64]).all()
        assert (np.diff(boxes.score) <= 0).all()


def test_thresholds_are_the_cards_unless_given(detector: Detector) -> None:
    maps = run(detector, random_counts(0))
    card = detector.card
    (stated,) = detector.detections(maps, threshold=card.threshold, iou=card.iou)
    (default,) = detector.detections(maps)
    np.testing.assert_array_equal(stated.xyxy, default.xyxy)


def test_streams_in_one_batch_do_not_touch_each_other(detector: Detector) -> None:
    counts = random_counts(1, batch=2)
    states = split(detector.initial_state(2))
    together = detector.step(counts[:, 0], stack(states))
    alone = detector.step(counts[1:, 0], states[1])
    np.testing.assert_allclose(together.maps[0][1], alone.maps[0][0], atol=1e-5)


def test_energy_is_operations_times_picojoule(detector: Detector) -> None:
    output = detector.step(random_counts(2, batch=3)[:, 0], detector.initial_state(3))
    activity = output.activity
    wanted = (activity.synops * 0.9 + activity.macs * 4.6) * 1e-9
    np.testing.assert_allclose(detector.energy(activity), wanted, rtol=1e-12)
    assert (detector.energy(activity) > 0).all()
    quiet = detector.step(np.zeros((1, 2, 64, 96), np.uint16), detector.initial_state(1)).activity
    assert quiet.macs[0] == activity.macs[0]


def test_a_state_is_saved_and_restored(detector: Detector) -> None:
    counts = random_counts(3)
    state = detector.step(counts[:, 0], detector.initial_state(1)).state
    restored = detector.restore_state(detector.save_state(state))
    straight, resumed = detector.step(counts[:, 1], state), detector.step(counts[:, 1], restored)
    np.testing.assert_array_equal(straight.maps[0], resumed.maps[0])


def test_a_state_of_other_weights_is_refused(detector: Detector, tmp_path: Path) -> None:
    other = Detector.load(write_tiny(tmp_path, seed=1), engine="torch")
    with pytest.raises(BadState, match="saved with weights"):
        detector.restore_state(other.save_state(other.initial_state(1)))


def test_unknown_models_and_engines_are_refused(model: Path) -> None:
    with pytest.raises(UnknownModel, match="no model 'yolo9000': known are"):
        Detector.load("yolo9000")
    with pytest.raises(BadSetting, match="engine is 'tvm'; known are onnx, torch"):
        Detector.load(model, engine="tvm")


def test_a_broken_card_is_refused(tmp_path: Path) -> None:
    path = write_tiny(tmp_path)
    path.write_text("{")
    with pytest.raises(BadWeights, match="not JSON"):
        Detector.load(path)
