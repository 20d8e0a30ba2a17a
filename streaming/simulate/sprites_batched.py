"""The painter as tensor operations: one part of every picture at a time, on any device.

Each turn gathers the pixels of one part's bounding box in every picture into one flat list (no two parts of a
turn share a picture), computes them together and puts them back.
"""

from __future__ import annotations

import torch
from torch import Tensor

from streaming.simulate.brush import NOBODY, ROUNDNESS, Brush, Ownership
from streaming.simulate.parts import (
    DUTY_U,
    DUTY_V,
    FLAT,
    LEVEL,
    PERIOD_U,
    PERIOD_V,
    R1,
    R2,
    RING,
    ROUGH,
    SHADE,
    STRETCH,
    TEXTURE,
    TONE,
    TONE2,
    UPRIGHT,
    X1,
    X2,
    Y1,
    Y2,
)


def paint_batched(pictures: Tensor, parts: Tensor, scene: Tensor, brush: Brush) -> Ownership:
    """As `sprites.paint`, for tensors on any device."""
    scenes, _, height, width = pictures.shape
    owner = torch.full((scenes, height, width), NOBODY, dtype=torch.int32, device=pictures.device)
    covered = torch.zeros(len(parts), dtype=torch.int32, device=pictures.device)
    slot = torch.arange(len(scene), device=scene.device) - torch.searchsorted(scene, scene)
    for turn in range(int(slot.max()) + 1 if len(slot) else 0):
        objects = (slot == turn).nonzero()[:, 0]
        for m in range(parts.shape[2]):
            part = parts[objects, :, m]
            if bool((part[..., [R1, R2]] > 0).any()):
                _paint_turn(pictures, part, m, objects, scene[objects], brush, owner, covered)
    return Ownership(owner, covered)


def _paint_turn(
    pictures: Tensor,
    part: Tensor,
    index: int,
    objects: Tensor,
    scene: Tensor,
    brush: Brush,
    owner: Tensor,
    covered: Tensor,
) -> None:
    """Part `index` of `objects` (n,), given as (n, K, FIELDS), into their pictures."""
    times, height, width = pictures.shape[1:]
    softness = brush.softness_px[scene][:, None].expand(-1, times).reshape(-1)
    flat_parts = part.reshape(-1, part.shape[-1])
    row, x, y = _pixels_of_boxes(flat_parts, softness, width, height)
    p, soft = flat_parts[row].unbind(1), softness[row]
    member, time = row // times, row % times
    u, v, length = _along_axis(p, x + 0.5, y + 0.5)
    radius = p[R1] + (u / length).clamp(0, 1) * (p[R2] - p[R1])
    tile = scene[member]
    texel = brush.texels_per_px[objects].reshape(-1)[row]
    noise = _texels(brush.texture, tile, u * texel + index * 37, v * texel + index * 11)
    alpha = _alpha(p, u, v, length, radius, noise, soft)
    inside = _stripes(u, p[PERIOD_U], p[DUTY_U]) * _stripes(v, p[PERIOD_V], p[DUTY_V])
    inside = inside * ((p[PERIOD_U] > 0) | (p[PERIOD_V] > 0))
    hole = p[TONE2] < 0
    alpha = alpha * torch.where(hole, 1 - inside, 1.0)
    tone = p[TONE] + torch.where(hole, 0.0, inside * (p[TONE2] - p[TONE]))
    tone = tone * _light(p[SHADE], v, radius) * torch.exp(p[TEXTURE] * noise)
    place = ((tile * times + time) * height + y) * width + x
    view = pictures.view(-1)
    view[place] = torch.lerp(view[place], tone, alpha)
    _own(owner, covered, objects[member], tile, place % (height * width), (time == times - 1) & (alpha > 0.5))


def _own(owner: Tensor, covered: Tensor, name: Tensor, scene: Tensor, place: Tensor, takes: Tensor) -> None:
    """Pixels of the last picture change hands."""
    name, cell = name[takes].int(), (scene * owner[0].numel() + place)[takes]
    new = owner.view(-1)[cell] != name
    covered.index_add_(0, name.long(), new.int())
    owner.view(-1)[cell] = name


def _pixels_of_boxes(
    parts: Tensor, softness: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor, Tensor]:
    """For every pixel a part (R, FIELDS) may touch: its row in `parts`, x and y; each (F,) int64."""
    biggest = torch.maximum(parts[:, R1], parts[:, R2])
    reach = biggest + 2 * parts[:, ROUGH] + softness
    left = (torch.minimum(parts[:, X1], parts[:, X2]) - reach).clamp(0, width).long()
    right = (torch.maximum(parts[:, X1], parts[:, X2]) + reach + 1).clamp(-1, width - 1).long()
    top = (torch.minimum(parts[:, Y1], parts[:, Y2]) - reach).clamp(0, height).long()
    bottom = (torch.maximum(parts[:, Y1], parts[:, Y2]) + reach + 1).clamp(-1, height - 1).long()
    wide, tall = (right - left + 1).clamp_min(0), (bottom - top + 1).clamp_min(0)
    count = wide * tall * (biggest > 0)
    row = torch.arange(len(parts), device=parts.device).repeat_interleave(count)
    number = torch.arange(len(row), device=parts.device) - (count.cumsum(0) - count)[row]
    return row, left[row] + number % wide[row], top[row] + number // wide[row]


def _along_axis(p: tuple[Tensor, ...], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(u, v, length): place along and across the axis from its start, and the axis' length, px."""
    axis_x, axis_y = p[X2] - p[X1], p[Y2] - p[Y1]
    length = torch.hypot(axis_x, axis_y).clamp_min(1e-3)
    uy = axis_y / length
    ux = (1 - uy * uy).clamp_min(0).sqrt()  # an axis of no length lies along x
    ux = torch.where(axis_x < 0, -ux, ux)
    vx, vy = -uy, ux  # across the axis
    level, upright = p[FLAT] == LEVEL, p[FLAT] == UPRIGHT
    rise = torch.where(level, uy.abs().clamp_min(1e-3), 1.0)
    run = torch.where(upright, ux.abs().clamp_min(1e-3), 1.0)
    right, down = torch.where(ux >= 0, 1.0, -1.0), torch.where(uy >= 0, 1.0, -1.0)
    vx, vy = torch.where(level, -down, vx / run), torch.where(upright, right, vy / rise)
    ux, uy = (
        torch.where(level, 0.0, torch.where(upright, right, ux)),
        torch.where(upright, 0.0, torch.where(level, down, uy)),
    )
    dx, dy = x - p[X1], y - p[Y1]
    across = (dx * vx + dy * vy) * (1 + p[STRETCH])
    return dx * ux + dy * uy, across, (length * rise * run).clamp_min(1e-3)


def _alpha(
    p: tuple[Tensor, ...], u: Tensor, v: Tensor, length: Tensor, radius: Tensor, noise: Tensor, soft: Tensor
) -> Tensor:
    """How much of a pixel the part covers."""
    straight = torch.maximum(v.abs() - radius, torch.maximum(-u, u - length))
    round_ = torch.hypot(u - torch.minimum(u.clamp_min(0), length), v) - radius
    distance = torch.where(p[FLAT] > 0.5, straight, round_) + p[ROUGH] * noise
    distance = torch.where(p[RING] > 0, (distance + p[RING]).abs() - p[RING], distance)
    return (0.5 - distance / soft).clamp(0, 1)


def _light(shade: Tensor, v: Tensor, radius: Tensor) -> Tensor:
    q = (v / radius.clamp_min(1e-3)).clamp(-1, 1)
    return 1 + torch.where(shade != 0, shade * q - ROUNDNESS * q * q, 0.0)


def _stripes(position: Tensor, period: Tensor, duty: Tensor) -> Tensor:
    phase = position / torch.where(period > 0, period, 1.0)
    phase = phase - phase.floor()
    edge = (0.5 * duty - (phase - 0.5).abs()) * period + 0.5
    return torch.where(period > 0, edge.clamp(0, 1), 1.0)


def _texels(tiles: Tensor, tile: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Bilinear lookup in repeating tiles (B, T, T)."""
    size = tiles.shape[1]
    i, j = row.floor(), column.floor()
    a, b = row - i, column - j
    i0, j0 = i.long() % size, j.long() % size
    i1, j1 = (i0 + 1) % size, (j0 + 1) % size
    upper = torch.lerp(tiles[tile, i0, j0], tiles[tile, i0, j1], b)
    return torch.lerp(upper, torch.lerp(tiles[tile, i1, j0], tiles[tile, i1, j1], b), a)
