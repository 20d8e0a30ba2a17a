"""Which cells answer for which true box where a cell answers once, whatever the box's shape.

A level answers for boxes whose longer side is within a factor of the level's size; the finest level also for
all smaller ones, the coarsest for all larger ones. The ranges overlap, so that most boxes are learnt by both
levels. In a level it is the cell of the box's centre and the two beside it that are nearest, as with anchors.
Where several boxes want one cell, the one with the nearest centre gets it.

Levels by size: FCOS (arXiv 1904.01355); one answer a cell: YOLOX (arXiv 2107.08430).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from training.assign import Assignment, Targets, answering_cells

MIDDLE = 0.5


def side_ranges(sizes: Sequence[tuple[float, float]], factor: float) -> list[tuple[float, float]]:
    """Per level the (least, largest) longer side of the boxes it answers for, the largest exclusive.

    Args:
        sizes: (width, height) of each level, finest first, grid cells.
        factor: between a box's longer side and that of a level's size, at most.
    """
    sides = [max(size) for size in sizes]
    least = [0.0, *(side / factor for side in sides[1:])]
    return list(zip(least, [*(side * factor for side in sides[:-1]), math.inf], strict=True))


def assign_free(
    targets: Targets, sides: tuple[float, float], stride: int, shape: tuple[int, int]
) -> Assignment:
    """The assignment of one level; every cell is in it once at most, and `anchor` is 0.

    Args:
        targets: boxes of the batch.
        sides: the level's entry of `side_ranges`.
        stride: grid cells per map cell.
        shape: (ny, nx) of the level's map.
    """
    longer = targets.cxcywh[:, 2:].amax(1)
    box = torch.nonzero((longer >= sides[0]) & (longer < sides[1])).squeeze(1)
    centre = targets.cxcywh[box, :2] / stride
    picked, cell = answering_cells(centre, shape)
    away = (centre[picked] - cell - MIDDLE).square().sum(1)
    row = targets.row[box[picked]]
    kept = _nearest((row * shape[0] + cell[:, 1]) * shape[1] + cell[:, 0], away)
    row, box, cell = row[kept], box[picked[kept]], cell[kept]
    return Assignment(row, torch.zeros_like(row), cell[:, 1], cell[:, 0], box)


def _nearest(place: Tensor, away: Tensor) -> Tensor:
    """Indices of the smallest `away` at each place; of equal ones the first."""
    order = away.argsort(stable=True)
    order = order[place[order].argsort(stable=True)]
    ranked = place[order]
    first = torch.ones_like(ranked, dtype=torch.bool)
    first[1:] = ranked[1:] != ranked[:-1]
    return order[first]
