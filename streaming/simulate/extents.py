"""Boxes around painted objects: tight around the body, hardly widened by what it carries."""

from __future__ import annotations

import torch
from torch import Tensor

from streaming.simulate.parts import FLAT, LEVEL, LOOSE, R1, R2, STRETCH, UPRIGHT, X1, X2, Y1, Y2


def silhouettes(parts: Tensor) -> Tensor:
    """(N, 4) xyxy around (N, M, FIELDS) parts, px; empty (inf to -inf) where nothing is painted.

    A part that is loose pulls a side of the box only by its share that is not.
    """
    dx, dy = parts[..., X2] - parts[..., X1], parts[..., Y2] - parts[..., Y1]
    length = torch.hypot(dx, dy).clamp_min(1e-3)
    along_x, along_y = dx.abs() / length, dy.abs() / length
    squash = 1 / (1 + parts[..., STRETCH])
    flat = parts[..., FLAT] > 0.5
    along_x, along_y = _square_to_ends(parts[..., FLAT], along_x, along_y)
    aside = torch.where(flat, along_y * squash, torch.hypot(along_x, along_y * squash))
    upward = torch.where(flat, along_x * squash, torch.hypot(along_y, along_x * squash))
    sides = ((0, aside), (1, upward))
    low = [-_furthest(parts, -_ends(parts, side, -reach).amin(0)) for side, reach in sides]
    high = [_furthest(parts, _ends(parts, side, reach).amax(0)) for side, reach in sides]
    return torch.stack(low + high, 1)


def _square_to_ends(flat: Tensor, along_x: Tensor, along_y: Tensor) -> tuple[Tensor, Tensor]:
    """Size of the direction square to a part's ends, which is that of its axis but for sheared parts."""
    level, upright = (flat == LEVEL).float(), (flat == UPRIGHT).float()
    kept = 1 - level - upright
    return along_x * kept + upright, along_y * kept + level


def _ends(parts: Tensor, side: int, reach: Tensor) -> Tensor:
    """(2, N, M) coordinate of both ends, moved by `reach` radii; side 0 is x, 1 is y."""
    first, second = ((X1, X2), (Y1, Y2))[side]
    return torch.stack(
        (parts[..., first] + reach * parts[..., R1], parts[..., second] + reach * parts[..., R2])
    )


def _furthest(parts: Tensor, edge: Tensor) -> Tensor:
    """(N,) the furthest `edge` (N, M) of what is painted, loose parts taken in part; -inf for nothing."""
    painted = torch.maximum(parts[..., R1], parts[..., R2]) > 0
    loose = parts[..., LOOSE]
    nowhere = torch.full_like(edge, -torch.inf)
    body = torch.where(painted & (loose == 0), edge, nowhere).amax(1, keepdim=True)
    drawn_in = torch.where(body.isfinite(), body + (1 - loose) * (edge - body), edge)
    return torch.where(painted, drawn_in, nowhere).amax(1)
