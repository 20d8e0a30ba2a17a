"""Anchors fitted to boxes: clusters are found, and the network that is trained has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.card import load_card
from tests.training.trainer import GRID, small_settings
from training.anchors import anchors_of, fit_anchors
from training.data import TrainingData
from training.errors import BadTraining
from training.fit import train

CLUSTERS = ((10, 20), (20, 50), (40, 30), (30, 90), (90, 60), (120, 160))


def boxes(spread: float, each: int = 50) -> np.ndarray:
    """(300, 2) sides around the clusters, by factors."""
    rng = np.random.default_rng(0)
    return np.concatenate([np.array(c) * np.exp(rng.normal(0, spread, (each, 2))) for c in CLUSTERS])


def test_known_clusters_are_found_smallest_area_first() -> None:
    fine, coarse = fit_anchors(boxes(0.05))
    np.testing.assert_allclose([*fine, *coarse], CLUSTERS, rtol=0.05)


def test_the_order_of_boxes_does_not_matter() -> None:
    sizes = boxes(0.1)
    assert fit_anchors(sizes) == fit_anchors(sizes[::-1])


@pytest.mark.parametrize("sizes", [boxes(0.1)[:5], np.zeros((0, 2)), np.array([[1.0, 0.0]] * 9)])
def test_boxes_that_make_no_anchors_are_refused(sizes: np.ndarray) -> None:
    with pytest.raises(BadTraining, match=rf"{len(sizes)} boxes.*at least 6 boxes with sides above 0"):
        fit_anchors(sizes)


def test_anchors_are_measured_on_the_grid(square_data: TrainingData) -> None:
    with square_data.chunks(0) as chunks:
        whole = np.array(anchors_of(chunks, 0, GRID))
        halved = np.array(anchors_of(chunks, 0, (GRID[0] // 2, GRID[1] // 2)))
    np.testing.assert_allclose(whole, 2 * halved, atol=0.2)
    assert (12.0, 30.0) in [tuple(pair) for level in whole.tolist() for pair in level]


def test_a_run_fits_its_anchors_once_and_the_card_knows_them(
    square_data: TrainingData, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, steps=1, anchors="fitted")
    card = load_card(train(settings, None, square_data))
    with square_data.chunks(0) as chunks:
        assert card.network_layout().anchors == anchors_of(chunks, 0, GRID)
    kept = (tmp_path / "anchors.json").stat().st_mtime_ns
    again = load_card(train(small_settings(tmp_path, steps=2, anchors="fitted"), None, square_data))
    assert again.network_layout().anchors == card.network_layout().anchors
    assert (tmp_path / "anchors.json").stat().st_mtime_ns == kept
