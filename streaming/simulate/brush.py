"""What painting takes beside the parts, and what it tells beside the picture."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

ROUNDNESS = 0.15
"""How much darker the sides of a shaded part are than its middle."""

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
