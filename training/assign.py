"""Which cells and anchors answer for which true box.

The YOLOv5 rule: an anchor answers when neither its width nor its height differs from the box's by a factor of
`anchor_ratio` or more, in the cell of the box's centre and in the two cells beside it that are nearest to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

NEAR = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """True boxes of a batch.

    Attributes:
        row: (K,) int64, row of the batch.
        label: (K,) int64, class.
        cxcywh: (K, 4) float32, centre and size, grid cells.
        ignore_row: (M,) int64, row of the batch.
        ignore_xyxy: (M, 4) float32, regions that count neither way, grid cells.
    """

    row: Tensor
    label: Tensor
    cxcywh: Tensor
    ignore_row: Tensor
    ignore_xyxy: Tensor

    def to(self, device: torch.device | str) -> Targets:
        """The same targets on another device."""
        return Targets(*(getattr(self, each.name).to(device) for each in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """The (row, anchor, y, x) of one level's map that answer for target number `box`; all (N,)."""

    row: Tensor
    anchor: Tensor
    y: Tensor
    x: Tensor
    box: Tensor


def assign(
    targets: Targets,
    anchors: Sequence[tuple[float, float]],
    stride: int,
    shape: tuple[int, int],
    anchor_ratio: float = 4.0,
) -> Assignment:
    """The assignment of one level.

    Args:
        targets: boxes of the batch.
        anchors: (width, height) of the level's anchors, grid cells.
        stride: grid cells per map cell.
        shape: (ny, nx) of the level's map.
        anchor_ratio: the largest factor between a side of a box and of its anchor, exclusive.
    """
    sizes = torch.tensor(anchors, dtype=targets.cxcywh.dtype, device=targets.cxcywh.device)
    ratio = targets.cxcywh[:, None, 2:] / sizes[None]  # (K, A, 2)
    box, anchor = torch.nonzero(torch.maximum(ratio, 1 / ratio).amax(2) < anchor_ratio, as_tuple=True)
    picked, cell = answering_cells(targets.cxcywh[box, :2] / stride, shape)
    box, anchor = box[picked], anchor[picked]
    return Assignment(targets.row[box], anchor, cell[:, 1], cell[:, 0], box)


def answering_cells(centre: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The cell of each centre and the two beside it that are nearest to it.

    Shape:
        centre (K, 2) x, y in cells of a map of `shape` (ny, nx) -> (N,) int64 indices into `centre`, and
        (N, 2) int64 cells x, y inside the map.
    """
    picked, shift = _neighbours(centre, shape)
    cell = (centre[picked] - shift).floor().long()
    last = torch.tensor([shape[1] - 1, shape[0] - 1], device=cell.device)
    return picked, torch.minimum(cell.clamp(min=0), last)


def _neighbours(centre: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Indices into `centre` and the shift (x, y) to each cell that answers: its own and the two nearest."""
    ny, nx = shape
    from_right = torch.tensor([nx, ny], dtype=centre.dtype, device=centre.device) - centre
    low = (centre % 1 < NEAR) & (centre > 1)  # left, above
    high = (from_right % 1 < NEAR) & (from_right > 1)  # right, below
    chosen = torch.stack([torch.ones_like(low[:, 0]), low[:, 0], low[:, 1], high[:, 0], high[:, 1]])
    shifts = centre.new_tensor([[0, 0], [NEAR, 0], [0, NEAR], [-NEAR, 0], [0, -NEAR]])
    which, picked = torch.nonzero(chosen, as_tuple=True)
    return picked, shifts[which]
