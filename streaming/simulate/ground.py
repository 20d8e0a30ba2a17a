"""The ground plane in true perspective, with a soft and irregular far border."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from streaming.simulate.camera import Camera, View
from streaming.simulate.noise import Dice, fractal_noise, planes

TEXELS = 256


@dataclass(frozen=True)
class Ground:
    """Ground of B scenes; (B, 1, 1, 1) unless said.

    Attributes:
        seen: 0 where a scene has none.
        tile: (B, 1, TEXELS, TEXELS) log-intensity texture.
        texels_per_m: fineness of the tile.
        tone: linear intensity.
        gradient: change of tone towards the viewer.
        own: 1 its own tone, 0 texture laid over the backdrop.
        border: (B, 1, 1, w) how far the far border lies under the horizon, px.
        softness: width of the far border, px.
        start: rows under the horizon that show the backdrop, px.
    """

    seen: Tensor
    tile: Tensor
    texels_per_m: Tensor
    tone: Tensor
    gradient: Tensor
    own: Tensor
    border: Tensor
    softness: Tensor
    start: Tensor


def draw_ground(dice: Dice, mean_tone: Tensor, width: int, chance: float) -> Ground:
    """Grounds of B scenes whose backdrops have `mean_tone` (B,)."""
    n = len(mean_tone)

    def volume(value: Tensor) -> Tensor:
        return value[:, None, None, None]

    kinship = dice.unit(n) ** 0.5
    tone = dice.uniform(n, 0.06, 0.8) ** (1 - kinship) * mean_tone**kinship
    border = fractal_noise(dice, 4, 64, dice.uniform(n, 0.8, 1.5))[:, :1]
    border = F.interpolate(border, size=width, mode="linear")
    return Ground(
        volume(dice.chance(n, chance)), _draw_tile(dice, n), volume(dice.log_uniform(n, 12, 60)), volume(tone),
        volume(dice.uniform(n, -0.5, 0.5)), volume(dice.chance(n, 0.7)),
        border[:, None] * volume(dice.uniform(n, 0, 5) * dice.chance(n, 0.6)), volume(dice.log_uniform(n, 0.7, 14)),
        volume(dice.uniform(n, 3, 30) * dice.chance(n, 0.5)),
    )  # fmt: skip


def _draw_tile(dice: Dice, n: int) -> Tensor:
    """Gravel, grass or paving with joints; rough in patches."""
    grain = fractal_noise(dice, TEXELS, TEXELS, dice.uniform(n, 0.0, 1.1)) * planes(
        dice.log_uniform(n, 0.03, 0.7)
    )
    at = torch.arange(TEXELS, device=dice.device)
    period = planes(2 ** dice.whole(n, 3, 7))
    joints = ((at[:, None] % period < 2) | (at % period < 2)).float()
    grain = grain - joints * planes(dice.uniform(n, 0.2, 0.8) * dice.chance(n, 0.25))
    patches = fractal_noise(dice, 32, 32, dice.uniform(n, 1.0, 1.8)) * 3 - planes(dice.uniform(n, -2, 2))
    rough = F.interpolate(torch.sigmoid(patches)[:, None], size=(TEXELS, TEXELS), mode="bilinear")
    return grain[:, None] * rough


def lay_ground(pictures: Tensor, ground: Ground, camera: Camera, view: View) -> Tensor:
    """`pictures` (B, K, h, w) with the ground laid over the backdrop."""
    x, y = camera.pixel_rays(view)
    below = y - _volume(camera.horizon_px)
    depth_m = _volume(camera.focal_px * camera.eye_m) / below.clamp_min(0.5)
    aside_m = x * depth_m / _volume(camera.focal_px) + view.x_m[..., None, None]
    scale = ground.texels_per_m
    texture = _sample(ground.tile, aside_m * scale, (depth_m + view.z_m[..., None, None]) * scale)
    footprint = below.clamp_min(0.5) / (depth_m * scale).clamp_min(1e-3) * 1.5
    relief = torch.exp(texture * footprint.clamp(0, 1))
    slope = 1 + ground.gradient * below.clamp_min(0) / camera.height
    surface = ground.own * ground.tone * slope + (1 - ground.own) * pictures
    share = ((below + ground.border) / ground.softness).clamp(0, 1) * ground.seen * (below > ground.start)
    return torch.lerp(pictures, surface * relief, share)


def _volume(value: Tensor) -> Tensor:
    return value[:, None, None, None]


def _sample(tile: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """Bilinear lookup in a tile (B, 1, T, T) that repeats without end."""
    scenes, times, height, width = column.shape
    grid = torch.stack((column, row), -1).div_(TEXELS)
    grid = grid.sub_(grid.floor()).mul_(2).sub_(1)
    seen = F.grid_sample(
        tile, grid.view(scenes, times * height, width, 2), padding_mode="border", align_corners=False
    )
    return seen.view(scenes, times, height, width)
