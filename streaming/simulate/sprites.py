"""Paints parts into pictures, far to near, with soft edges, and keeps who owns each pixel of the last one.

On the CPU one compiled loop visits only the pixels of each part's bounding box; elsewhere the same arithmetic
runs as tensor operations, one part of all pictures at a time (`sprites_batched.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streaming.compiled import cached_njit
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
from streaming.simulate.sprites_batched import paint_batched

Float32Array: TypeAlias = NDArray[np.float32]
Number: TypeAlias = Any
"""A scalar inside a kernel: numpy's stubs know nothing of what numba makes of min and max."""
Row: TypeAlias = Any
"""One part, (FIELDS,) float32."""


def paint(pictures: Tensor, parts: Tensor, scene: Tensor, brush: Brush) -> Ownership:
    """Paint objects into `pictures` in place.

    Args:
        pictures: (B, K, h, w) float32 linear intensity, contiguous.
        parts: (N, K, M, FIELDS) float32 in pixels; y down. Objects of one scene from far to near.
        scene: (N,) int64, the picture row each object belongs to, not decreasing.
        brush: texture and edges.
    """
    if pictures.device.type != "cpu":
        return paint_batched(pictures, parts, scene, brush)
    owner = torch.full((pictures.shape[0], *pictures.shape[2:]), NOBODY, dtype=torch.int32)
    covered = torch.zeros(len(parts), dtype=torch.int32)
    _paint(
        pictures.numpy(), parts.contiguous().numpy(), scene.numpy(), brush.texture.contiguous().numpy(),
        brush.texels_per_px.contiguous().numpy(), brush.softness_px.numpy(), owner.numpy(), covered.numpy(),
    )  # fmt: skip
    return Ownership(owner, covered)


def _compile(function: Callable[..., Any], **options: Any) -> Any:
    """A kernel whose arithmetic may be reordered and divides by zero as numpy does."""
    return cached_njit(function, fastmath=True, error_model="numpy", **options)


def _texel_bilinear(tile: Float32Array, row: Number, column: Number) -> Number:
    size = tile.shape[0]
    i, j = int(np.floor(row)), int(np.floor(column))
    a, b = np.float32(row - i), np.float32(column - j)
    i0, j0, i1, j1 = i & (size - 1), j & (size - 1), (i + 1) & (size - 1), (j + 1) & (size - 1)
    upper = tile[i0, j0] * (1 - b) + tile[i0, j1] * b
    lower = tile[i1, j0] * (1 - b) + tile[i1, j1] * b
    return upper * (1 - a) + lower * a


def _stripe_share(position: Number, period: Number, duty: Number) -> Number:
    if period <= 0:
        return np.float32(1)
    phase = position / period
    phase -= np.floor(phase)
    edge = (np.float32(0.5) * duty - abs(phase - np.float32(0.5))) * period + np.float32(0.5)
    return min(max(edge, np.float32(0)), np.float32(1))


def _edge_distance(u: Number, v: Number, length: Number, radius: Number, flat: bool) -> Number:
    """Signed px to the outline, below 0 inside; (u, v) along and across the axis from its start."""
    if flat:
        return max(abs(v) - radius, max(-u, u - length))
    over = u - min(max(u, np.float32(0)), length)
    return np.sqrt(over * over + v * v) - radius


def _shaded_tone(part: Row, v: Number, radius: Number, noise: Number) -> Number:
    """Tone under lateral light, with texture."""
    shade = part[SHADE]
    q = min(max(v / max(radius, np.float32(1e-3)), np.float32(-1)), np.float32(1))
    light = np.float32(1)
    if shade != 0:
        light += shade * q - np.float32(ROUNDNESS) * q * q
    return light * np.exp(part[TEXTURE] * noise)


def _bounds(part: Row, soft: Number, width: int, height: int) -> Any:
    """(left, right, top, bottom) px that a part may touch, the last ones included."""
    reach = max(part[R1], part[R2]) + part[ROUGH] * 2 + soft
    left, right = min(part[X1], part[X2]) - reach, max(part[X1], part[X2]) + reach
    top, bottom = min(part[Y1], part[Y2]) - reach, max(part[Y1], part[Y2]) + reach
    return (
        int(min(max(left, np.float32(0)), np.float32(width))),
        int(min(max(right + 1, np.float32(-1)), np.float32(width - 1))),
        int(min(max(top, np.float32(0)), np.float32(height))),
        int(min(max(bottom + 1, np.float32(-1)), np.float32(height - 1))),
    )


def _axes_of(part: Row) -> Any:
    """(ux, uy) along the axis, (vx, vy) across it, and its length; sheared where ends lie or stand."""
    along_x, along_y = part[X2] - part[X1], part[Y2] - part[Y1]
    length = max(np.sqrt(along_x**2 + along_y**2), np.float32(1e-3))
    uy = along_y / length
    ux = np.sqrt(max(np.float32(1) - uy * uy, np.float32(0)))  # an axis of no length lies along x
    if along_x < 0:
        ux = -ux
    least = np.float32(1e-3)
    if part[FLAT] == LEVEL:
        rise, down = max(abs(uy), least), np.float32(1) if uy >= 0 else np.float32(-1)
        return np.float32(0), down, -down, ux / rise, max(length * rise, least)
    if part[FLAT] == UPRIGHT:
        run, right = max(abs(ux), least), np.float32(1) if ux >= 0 else np.float32(-1)
        return right, np.float32(0), -uy / run, right, max(length * run, least)
    return ux, uy, -uy, ux, length


def _paint_one_part(
    picture: Float32Array,
    part: Row,
    index: int,
    tile: Float32Array,
    texel: Number,
    soft: Number,
    owner: NDArray[np.int32],
    name: int,
) -> int:
    """Paints a part; gives how many pixels of `owner` it newly takes for `name`, 0 for NOBODY."""
    height, width = picture.shape
    left, right, top, bottom = _box(part, soft, width, height)
    x1, y1 = part[X1], part[Y1]
    ux, uy, vx, vy, length = _axes(part)
    slope = (part[R2] - part[R1]) / length
    flat, rough, ring = part[FLAT] > 0.5, part[ROUGH], part[RING]
    noisy, patterned = part[TEXTURE] > 0 or rough > 0, part[PERIOD_U] > 0 or part[PERIOD_V] > 0
    hole, stretch = np.float32(part[TONE2] < 0), np.float32(1) + part[STRETCH]
    gained = 0
    for y in range(top, bottom + 1):
        for x in range(left, right + 1):
            dx, dy = x + np.float32(0.5) - x1, y + np.float32(0.5) - y1
            u, v = dx * ux + dy * uy, (dx * vx + dy * vy) * stretch
            radius = part[R1] + min(max(u, np.float32(0)), length) * slope
            distance = _distance(u, v, length, radius, flat)
            if distance > soft + rough * 2:
                continue
            noise = np.float32(0)
            if noisy:
                noise = _texel(tile, u * texel + index * 37, v * texel + index * 11)
            distance += rough * noise
            if ring > 0:
                distance = abs(distance + ring) - ring
            alpha = min(max(np.float32(0.5) - distance / soft, np.float32(0)), np.float32(1))
            if alpha <= 0:
                continue
            tone = part[TONE]
            if patterned:
                inside = _stripe(u, part[PERIOD_U], part[DUTY_U]) * _stripe(v, part[PERIOD_V], part[DUTY_V])
                alpha *= 1 - hole * inside
                tone += (1 - hole) * inside * (part[TONE2] - tone)
            picture[y, x] += alpha * (tone * _tone(part, v, radius, noise) - picture[y, x])
            if name != NOBODY and alpha > 0.5 and owner[y, x] != name:
                owner[y, x] = name
                gained += 1
    return gained


def _paint_all(
    pictures: Float32Array,
    parts: Float32Array,
    scene: NDArray[np.int64],
    texture: Float32Array,
    texels: Float32Array,
    softness: Float32Array,
    owner: NDArray[np.int32],
    covered: NDArray[np.int32],
) -> None:
    objects, times, count, _ = parts.shape
    for n in range(objects):
        b = scene[n]
        for k in range(times):
            name = n if k == times - 1 else NOBODY
            for m in range(count):
                part = parts[n, k, m]
                if part[R1] > 0 or part[R2] > 0:
                    covered[n] += _paint_part(
                        pictures[b, k], part, m, texture[b], texels[n, k], softness[b], owner[b], name
                    )


_texel = _compile(_texel_bilinear, inline="always")
_stripe = _compile(_stripe_share, inline="always")
_distance = _compile(_edge_distance, inline="always")
_tone = _compile(_shaded_tone, inline="always")
_axes = _compile(_axes_of)
_box = _compile(_bounds)
_paint_part = _compile(_paint_one_part)
_paint = _compile(_paint_all)
