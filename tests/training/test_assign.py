"""Assignment against a brute force over every anchor and cell."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from training.assign import Targets, assign

ANCHORS = ((9.0, 22.0), (19.0, 46.0), (34.0, 24.0))
STRIDE, NY, NX = 16, 6, 8


def targets_of(boxes: np.ndarray) -> Targets:
    rows = torch.arange(len(boxes)) % 3
    labels = torch.zeros(len(boxes), dtype=torch.int64)
    none = torch.zeros(0, dtype=torch.int64)
    return Targets(rows, labels, torch.tensor(boxes, dtype=torch.float32), none, torch.zeros(0, 4))


def brute_force(boxes: np.ndarray, ratio: float) -> set[tuple[int, int, int, int]]:
    """(box, anchor, y, x) of every cell that answers, by distance from the cell's middle."""
    found = set()
    for box, anchor in itertools.product(range(len(boxes)), range(len(ANCHORS))):
        cx, cy, w, h = boxes[box]
        factors = [w / ANCHORS[anchor][0], h / ANCHORS[anchor][1]]
        if max(max(f, 1 / f) for f in factors) >= ratio:
            continue
        x, y = int(cx // STRIDE), int(cy // STRIDE)
        beside = x - 1 if cx % STRIDE < STRIDE / 2 else x + 1
        above = y - 1 if cy % STRIDE < STRIDE / 2 else y + 1
        found.add((box, anchor, y, x))
        if 0 <= beside < NX:
            found.add((box, anchor, y, beside))
        if 0 <= above < NY:
            found.add((box, anchor, above, x))
    return found


@pytest.mark.parametrize("ratio", [2.0, 4.0])
@pytest.mark.parametrize("seed", range(5))
def test_equals_brute_force(seed: int, ratio: float) -> None:
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0.1, [NX * STRIDE - 0.1, NY * STRIDE - 0.1], (40, 2))
    boxes = np.concatenate([centres, np.exp(rng.uniform(0.5, 5, (40, 2)))], 1).astype(np.float32)
    got = assign(targets_of(boxes), ANCHORS, STRIDE, (NY, NX), ratio)
    cells = {tuple(row) for row in torch.stack([got.box, got.anchor, got.y, got.x], 1).tolist()}
    assert cells == brute_force(boxes, ratio)
    assert len(got.box) == len(cells)
    assert torch.equal(got.row, got.box % 3)


def test_no_boxes_give_no_assignment() -> None:
    got = assign(targets_of(np.zeros((0, 4))), ANCHORS, STRIDE, (NY, NX))
    assert len(got.row) == len(got.box) == 0


@pytest.mark.parametrize("centre", [(0.0, 0.0), (NX * STRIDE, NY * STRIDE), (NX * STRIDE, 0.0)])
def test_centres_on_the_border_stay_inside(centre: tuple[float, float]) -> None:
    got = assign(targets_of(np.array([[*centre, 19, 46]])), ANCHORS, STRIDE, (NY, NX))
    assert len(got.box) > 0
    assert 0 <= int(got.x.min()) <= int(got.x.max()) < NX
    assert 0 <= int(got.y.min()) <= int(got.y.max()) < NY
