"""Assignment without anchors against a brute force over every cell."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from training.assign import Targets
from training.assign_free import assign_free, side_ranges

SIZES = ((48.0, 48.0), (144.0, 144.0))
STRIDE, NY, NX = 16, 6, 8
ALL_SIDES = (0.0, math.inf)


def targets_of(boxes: np.ndarray, rows: int = 3) -> Targets:
    cxcywh = torch.tensor(boxes, dtype=torch.float32).view(-1, 4)
    row = torch.arange(len(cxcywh)) % rows
    none = torch.zeros(0, dtype=torch.int64)
    return Targets(row, torch.zeros_like(row), cxcywh, none, torch.zeros(0, 4))


def random_boxes(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0.1, [NX * STRIDE - 0.1, NY * STRIDE - 0.1], (count, 2))
    return np.concatenate([centres, np.exp(rng.uniform(0.5, 6, (count, 2)))], 1).astype(np.float32)


def wanted_cells(cx: float, cy: float) -> set[tuple[int, int]]:
    """(y, x) of the centre's cell and of the nearest one in its row and in its column."""
    x, y = int(cx // STRIDE), int(cy // STRIDE)
    beside = x - 1 if cx % STRIDE < STRIDE / 2 else x + 1
    above = y - 1 if cy % STRIDE < STRIDE / 2 else y + 1
    return {(b, a) for b, a in ((y, x), (y, beside), (above, x)) if 0 <= a < NX and 0 <= b < NY}


def brute_force(boxes: np.ndarray, sides: tuple[float, float], rows: int) -> dict[tuple[int, int, int], int]:
    """The box that each (row, y, x) answers for."""
    found: dict[tuple[int, int, int], tuple[float, int]] = {}
    for index, (cx, cy, w, h) in enumerate(boxes.tolist()):
        if not sides[0] <= max(w, h) < sides[1]:
            continue
        for y, x in wanted_cells(cx, cy):
            away = math.hypot(cx / STRIDE - x - 0.5, cy / STRIDE - y - 0.5)
            place = (index % rows, y, x)
            found[place] = min(found.get(place, (math.inf, -1)), (away, index))
    return {place: index for place, (_, index) in found.items()}


@pytest.mark.parametrize("sides", [ALL_SIDES, *side_ranges(SIZES, 4.0), *side_ranges(SIZES, 2.0)])
@pytest.mark.parametrize("seed", range(5))
def test_equals_brute_force_and_gives_a_cell_once(seed: int, sides: tuple[float, float]) -> None:
    boxes = random_boxes(seed, 60)
    got = assign_free(targets_of(boxes), sides, STRIDE, (NY, NX))
    places = torch.stack([got.row, got.y, got.x], 1).tolist()
    answers = {tuple(place): box for place, box in zip(places, got.box.tolist(), strict=True)}
    assert len(answers) == len(got.box) > 0
    assert answers == brute_force(boxes, sides, rows=3)
    assert not got.anchor.any()


def test_the_nearer_centre_gets_the_cell_whatever_the_order() -> None:
    near, far = [40.0, 40.0, 30.0, 60.0], [44.0, 40.0, 30.0, 60.0]
    for boxes in ([near, far], [far, near]):
        got = assign_free(targets_of(np.array(boxes), rows=1), ALL_SIDES, STRIDE, (NY, NX))
        (owner,) = got.box[(got.y == 2) & (got.x == 2)].tolist()
        assert boxes[owner] == near


@pytest.mark.parametrize("factor", [2.0, 4.0])
def test_every_box_has_a_level_and_those_between_have_both(factor: float) -> None:
    fine, coarse = side_ranges(SIZES, factor)
    assert fine == (0.0, 48 * factor)
    assert coarse == (144 / factor, math.inf)
    for side in (0.01, 1.0, 100.0, 1e6):
        assert fine[0] <= side < fine[1] or coarse[0] <= side < coarse[1]
    assert coarse[0] <= 85 < fine[1]


def test_no_boxes_give_no_assignment() -> None:
    got = assign_free(targets_of(np.zeros((0, 4))), ALL_SIDES, STRIDE, (NY, NX))
    assert len(got.row) == len(got.box) == 0


@pytest.mark.parametrize("centre", [(0.0, 0.0), (NX * STRIDE, NY * STRIDE), (NX * STRIDE, 0.0)])
def test_centres_on_the_border_stay_inside(centre: tuple[float, float]) -> None:
    got = assign_free(targets_of(np.array([[*centre, 19, 46]])), ALL_SIDES, STRIDE, (NY, NX))
    assert len(got.box) > 0
    assert 0 <= int(got.x.min()) <= int(got.x.max()) < NX
    assert 0 <= int(got.y.min()) <= int(got.y.max()) < NY
