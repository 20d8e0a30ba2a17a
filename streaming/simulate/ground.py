"""The ground plane in true perspective, with a soft and irregular far border."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from streaming.simulate.camera import Camera, Rays, View
from streaming.simulate.noise import Dice, fractal_noise, planes, spots

TEXELS = 256


@dataclass(frozen=True)
class Ground:
    """Ground of B scenes; (B,) unless said.

    Attributes:
        seen: 0 where a scene has none.
        tile: (B, 1, TEXELS, TEXELS) log-intensity texture.
        texels_per_m: fineness of the tile.
        tone: linear intensity.
        gradient: change of tone towards the viewer.
        own: 1 its own tone, 0 texture laid over the backdrop.
        border: (B, w) how far the far border lies under the horizon, px.
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
    kinship = dice.unit(n) ** 0.5
    tone = dice.uniform(n, 0.06, 0.8) ** (1 - kinship) * mean_tone**kinship
    border = fractal_noise(dice, 4, 64, dice.uniform(n, 0.8, 1.5))[:, :1]
    border = F.interpolate(border, size=width, mode="linear")[:, 0]
    return Ground(
        dice.chance(n, chance), _draw_tile(dice, n), dice.log_uniform(n, 12, 60), tone,
        dice.uniform(n, -0.5, 0.5), dice.chance(n, 0.7),
        border * (dice.uniform(n, 0, 5) * dice.chance(n, 0.6))[:, None], dice.log_uniform(n, 0.7, 14),
        dice.uniform(n, 3, 30) * dice.chance(n, 0.5),
    )  # fmt: skip


def _draw_tile(dice: Dice, n: int) -> Tensor:
    """Gravel, grass or paving with joints; rough in patches."""
    grain = fractal_noise(dice, TEXELS, TEXELS, dice.uniform(n, 0.0, 1.1)) * planes(
        dice.log_uniform(n, 0.05, 0.9)
    )
    litter = spots(dice, TEXELS, TEXELS, dice.log_uniform(n, 1.5, 7), dice.uniform(n, 0.9, 2.2))
    grain = grain + litter * planes(dice.log_uniform(n, 0.2, 1.6) * dice.chance(n, 0.7))
    at = torch.arange(TEXELS, device=dice.device)
    period = planes(2 ** dice.whole(n, 3, 7))
    joints = ((at[:, None] % period < 2) | (at % period < 2)).float()
    grain = grain - joints * planes(dice.uniform(n, 0.2, 0.8) * dice.chance(n, 0.25))
    patches = fractal_noise(dice, 32, 32, dice.uniform(n, 1.0, 1.8)) * 3 - planes(dice.uniform(n, -2, 2))
    rough = F.interpolate(torch.sigmoid(patches)[:, None], size=(TEXELS, TEXELS), mode="bilinear")
    return grain[:, None] * rough


def lay_ground(
    pictures: Tensor, ground: Ground, camera: Camera, view: View, rays: Rays, first: int = 0
) -> None:
    """Lay the ground over the backdrop, only where it can be seen.

    Args:
        pictures: (b, K, h, w) of the scenes from `first` on, changed in place.
        rays: along which they are seen, (b, K, h, w).
    """
    seen = ground.seen[first : first + len(pictures)].tolist()
    for row, scene in enumerate(range(first, first + len(pictures))):
        below = rays.y[row] - camera.horizon_px[scene]
        top = int((below.amax((0, 2)) <= 0).sum()) if seen[row] else camera.height
        if top < camera.height:
            part = pictures[row, :, top:]
            part.copy_(_lay(part, ground, scene, camera, view, rays.x[row, :, top:], below[:, top:]))


def _lay(
    backdrop: Tensor, ground: Ground, scene: int, camera: Camera, view: View, x: Tensor, below: Tensor
) -> Tensor:
    """(K, rows, w) of one scene; `x` columns from the middle, `below` rows under the horizon, px."""
    focal, eye_m, scale = camera.focal_px[scene], camera.eye_m[scene], ground.texels_per_m[scene]
    down = below.clamp_min(0.5)
    column = x / down * (eye_m * scale) + view.x_m[scene][:, None, None] * scale
    row = (focal * eye_m * scale) / down + view.z_m[scene][:, None, None] * scale
    texture = _sample(ground.tile[scene], column, row)
    footprint = (down.square() * (1.5 / (focal * eye_m * scale))).clamp_max(1)
    slope = 1 + ground.gradient[scene] * below.clamp_min(0) / camera.height
    own = ground.own[scene]
    surface = own * ground.tone[scene] * slope + (1 - own) * backdrop
    share = ((below + ground.border[scene]) / ground.softness[scene]).clamp(0, 1) * (
        below > ground.start[scene]
    )
    return torch.lerp(backdrop, surface * torch.exp(texture * footprint), share)


def _sample(tile: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """(K, rows, w) bilinear lookup in one tile (1, T, T) that repeats in mirror images without end."""
    grid = torch.stack((column, row), -1).mul_(2 / TEXELS).view(1, -1, column.shape[-1], 2)
    seen = F.grid_sample(tile[None], grid, padding_mode="reflection", align_corners=False)
    return seen.view(column.shape)
