"""True boxes of a simulated scene in a file that data sets of recordings can read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streaming.errors import BadSource
from streaming.simulate.source import open_simulation
from streaming.simulate.truth import write_truth
from training.datasets.prophesee import read_bbox_npy

STREET = "sim://street?seed=3&width=172&height=130&speed=max"


def test_boxes_are_those_of_the_scene_and_readable_as_prophesees(tmp_path: Path) -> None:
    source, path = open_simulation(f"{STREET}&duration_s=0.4"), tmp_path / "street_bbox.npy"
    written = write_truth(source, path, every_us=100_000)
    rows = read_bbox_npy(path)
    assert len(rows) == written > 0
    assert set(rows["t"].tolist()) == {100_000, 200_000, 300_000, 400_000}
    truth = source.truth(300_000)
    there = rows[rows["t"] == 300_000]
    assert there["track_id"].tolist() == truth.ids.tolist()
    assert there["class_id"].tolist() == truth.labels.tolist()
    corner = np.stack([there["x"] + there["w"], there["y"] + there["h"]], 1)
    np.testing.assert_allclose(corner, truth.xyxy[:, 2:], atol=1e-3)
    assert [file.name for file in tmp_path.iterdir()] == ["street_bbox.npy"]


def test_a_scene_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSource, match="duration_s"):
        write_truth(open_simulation(STREET), tmp_path / "street_bbox.npy")
    assert not list(tmp_path.iterdir())
