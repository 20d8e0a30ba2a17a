"""Paints parts into pictures, far to near, with soft edges; and keeps who owns each pixel of the last picture.

On the CPU one compiled loop visits only the pixels of each part's bounding box; elsewhere the same arithmetic
runs as tensor operations, one part of all pictures at a time (`sprites_batched.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streaming.simulate.parts import (
    DUTY_U,
    DUTY_V,
    FLAT,
    PERIOD_U,
    PERIOD_V,
    R1,
    R2,
    RING,
    ROUGH,
    SHADE,
    TEXTURE,
    TONE,
    TONE2,
    X1,
    X2,
    Y1,
    Y2,
)

NOBODY = -1


@dataclass(frozen=True)
class Ownership:
    """Who covers what in the last picture of each scene.

    Attributes:
        owner: (B, h, w) int32, index of the nearest object in a pixel, NOBODY where the background shows.
        covered: (N,) int32, pixels an object would cover were nothing in front of it.
    """

    owner: Tensor
    covered: Tensor


@dataclass(frozen=True)
class Brush:
    """What painting needs beside the parts.

    Attributes:
        texture: (B, T, T) one noise tile a scene, T a power of two.
        texels_per_px: (N, K) how fine the tile lies on each object.
        softness_px: (B,) width of an edge, 1 is sharp.
    """

    texture: Tensor
    texels_per_px: Tensor
    softness_px: Tensor


def paint(pictures: Tensor, parts: Tensor, scene: Tensor, brush: Brush) -> Ownership:
    """Paint objects into `pictures` in place.

    Args:
        pictures: (B, K, h, w) float32 linear intensity, contiguous.
        parts: (N, K, M, FIELDS) float32 in pixels; y down. Objects of one scene from far to near.
        scene: (N,) int64, the picture row each object belongs to.
        brush: texture and edges.
    """
    if pictures.device.type != "cpu":
        from streaming.simulate.sprites_batched import paint_batched

        return paint_batched(pictures, parts, scene, brush)
    owner = torch.full((pictures.shape[0], *pictures.shape[2:]), NOBODY, dtype=torch.int32)
    covered = torch.zeros(len(parts), dtype=torch.int32)
    _paint(
        pictures.numpy(), parts.contiguous().numpy(), scene.numpy(), brush.texture.contiguous().numpy(),
        brush.texels_per_px.contiguous().numpy(), brush.softness_px.numpy(), owner.numpy(), covered.numpy(),
    )  # fmt: skip
    return Ownership(owner, covered)


def _paint_all(
    pictures: NDArray[np.float32],
    parts: NDArray[np.float32],
    scene: NDArray[np.int64],
    texture: NDArray[np.float32],
    texels: NDArray[np.float32],
    softness: NDArray[np.float32],
    owner: NDArray[np.int32],
    covered: NDArray[np.int32],
) -> None:
    last = pictures.shape[1] - 1
    for n in range(parts.shape[0]):
        b = scene[n]
        for k in range(parts.shape[1]):
            for m in range(parts.shape[2]):
                part = parts[n, k, m]
                if part[R1] <= 0 and part[R2] <= 0:
                    continue
                covered[n] += _paint_part(
                    pictures[b, k], part, m, texture[b], texels[n, k], softness[b], owner[b], n, k == last
                )


def _paint_part_loop(
    picture: NDArray[np.float32],
    part: NDArray[np.float32],
    index: int,
    tile: NDArray[np.float32],
    texel: float,
    soft: float,
    owner: NDArray[np.int32],
    name: int,
    last: bool,
) -> int:
    height, width = picture.shape
    x1, y1, x2, y2, r1, r2 = part[X1], part[Y1], part[X2], part[Y2], part[R1], part[R2]
    reach = max(r1, r2) * (np.float32(1.42) if part[FLAT] > 0.5 else np.float32(1)) + part[ROUGH] * 2 + soft
    left, right = max(0, int(min(x1, x2) - reach)), min(width - 1, int(max(x1, x2) + reach) + 1)
    top, bottom = max(0, int(min(y1, y2) - reach)), min(height - 1, int(max(y1, y2) + reach) + 1)
    length = max(np.sqrt((x2 - x1) ** 2 + (y2 - y1) ** 2), np.float32(1e-3))
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    gained = 0
    for y in range(top, bottom + 1):
        for x in range(left, right + 1):
            u = (x - x1) * ux + (y - y1) * uy
            v = (y - y1) * ux - (x - x1) * uy
            along = min(max(u / length, np.float32(0)), np.float32(1))
            radius = r1 + along * (r2 - r1)
            over = u - along * length
            if part[FLAT] > 0.5:
                distance = max(abs(v) - radius, max(-u, u - length))
            else:
                distance = np.sqrt(over * over + v * v) - radius
            if distance > soft + part[ROUGH] * 2:
                continue
            noise = np.float32(0)
            if part[TEXTURE] > 0 or part[ROUGH] > 0:
                noise = _texel(tile, u * texel + index * 37, v * texel + index * 11)
            distance += part[ROUGH] * noise
            if part[RING] > 0:
                distance = abs(distance + part[RING]) - part[RING]
            alpha = min(max(np.float32(0.5) - distance / soft, np.float32(0)), np.float32(1))
            if alpha <= 0:
                continue
            q = min(max(v / max(radius, np.float32(1e-3)), np.float32(-1)), np.float32(1))
            tone = part[TONE]
            if part[PERIOD_U] > 0 or part[PERIOD_V] > 0:
                inside = _stripe(u, part[PERIOD_U], part[DUTY_U]) * _stripe(v, part[PERIOD_V], part[DUTY_V])
                if part[TONE2] < 0:
                    alpha *= 1 - inside
                else:
                    tone += inside * (part[TONE2] - tone)
            tone *= np.float32(1) + part[SHADE] * q - np.float32(0.15) * q * q * abs(np.sign(part[SHADE]))
            if part[TEXTURE] > 0:
                tone *= np.exp(part[TEXTURE] * noise)
            picture[y, x] += alpha * (tone - picture[y, x])
            if last and alpha > 0.5 and owner[y, x] != name:
                owner[y, x] = name
                gained += 1
    return gained


def _texel_bilinear(tile: NDArray[np.float32], row: float, column: float) -> Any:
    size = tile.shape[0]
    i, j = int(np.floor(row)), int(np.floor(column))
    a, b = np.float32(row - i), np.float32(column - j)
    i0, j0, i1, j1 = i & (size - 1), j & (size - 1), (i + 1) & (size - 1), (j + 1) & (size - 1)
    upper = tile[i0, j0] * (1 - b) + tile[i0, j1] * b
    lower = tile[i1, j0] * (1 - b) + tile[i1, j1] * b
    return upper * (1 - a) + lower * a


def _stripe_share(position: float, period: float, duty: float) -> Any:
    if period <= 0:
        return np.float32(1)
    phase = position / period
    phase -= np.floor(phase)
    edge = (np.float32(0.5) * duty - abs(phase - np.float32(0.5))) * period + np.float32(0.5)
    return min(max(edge, np.float32(0)), np.float32(1))


_options: dict[str, Any] = {"cache": True, "nogil": True, "fastmath": True, "error_model": "numpy"}
_texel = numba.njit(inline="always", **_options)(_texel_bilinear)
_stripe = numba.njit(inline="always", **_options)(_stripe_share)
_paint_part = numba.njit(**_options)(_paint_part_loop)
_paint = numba.njit(**_options)(_paint_all)
