"""The far background, painted once on a large canvas: skyline, houses, trees, fences, clutter.

Sizes are px of a picture 173 wide and grow with the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from streaming.simulate.brush import Brush
from streaming.simulate.camera import REFERENCE_WIDTH_PX, Rays
from streaming.simulate.noise import Dice, Range, fractal_noise, planes, spots
from streaming.simulate.parts import HOLE, PartList, Pattern, Point
from streaming.simulate.sprites import paint

TILE = 128
CANVAS_MARGIN = 1.45


@dataclass(frozen=True)
class BackdropSettings:
    """What stands in the background.

    Attributes:
        margin: canvas sides against picture sides.
        houses, trees, fences, poles, clutter: how many at most.
        *_chance: probability that each of them is there.
        grain_chance: of fine texture over everything.
        texture: range of the texture's strength on natural surfaces (deviation of the log intensity).
    """

    margin: float = CANVAS_MARGIN
    houses: int = 4
    house_chance: float = 0.4
    trees: int = 4
    tree_chance: float = 0.35
    fences: int = 2
    fence_chance: float = 0.3
    poles: int = 5
    pole_chance: float = 0.35
    clutter: int = 14
    texture: Range = (0.08, 1.2)
    grain_chance: float = 0.4


@dataclass(frozen=True)
class Textures:
    """Noise of each scene, shared by all that is painted in it.

    Attributes:
        tile: (B, TILE, TILE) fine, tileable, heavy-tailed: sparse strong details.
        fine, smooth: (B, H, W) over the canvas.
    """

    tile: Tensor
    fine: Tensor
    smooth: Tensor


def draw_textures(dice: Dice, scenes: int, height: int, width: int) -> Textures:
    """Patches with and without texture: real surfaces are neither evenly rough nor evenly plain."""
    smooth = _spread(fractal_noise(dice, 64, 96, dice.uniform(scenes, 1.0, 1.8)), height, width)
    whole = _fast(height), _fast(width)
    fine = fractal_noise(dice, *whole, dice.uniform(scenes, 0.0, 1.1))
    fine = fine * fine.abs() ** planes(dice.uniform(scenes, 0, 1.6))
    patches = torch.sigmoid((smooth.flip(2) - planes(dice.uniform(scenes, -1.5, 1.2))) * 3)
    fine = fine + _draw_litter(dice, scenes, *whole)
    fine = fine[:, :height, :width]
    fine = fine * torch.where(planes(dice.chance(scenes, 0.75)) > 0, patches, 1.0)
    fine = fine / fine.square().mean((1, 2), keepdim=True).sqrt_().clamp_min_(0.35)
    tile = fractal_noise(dice, TILE, TILE, dice.uniform(scenes, 0.5, 1.5))
    return Textures(tile, fine, smooth)


def _draw_litter(dice: Dice, scenes: int, height: int, width: int) -> Tensor:
    """(B, H, W) leaves, stones and chinks in most scenes: thin and strong, so that pixels see both edges."""
    unit = width / CANVAS_MARGIN / REFERENCE_WIDTH_PX
    size, rarity = dice.log_uniform(scenes, 0.8, 3.5) * unit, dice.uniform(scenes, 0.9, 2.0)
    strength = dice.log_uniform(scenes, 0.8, 5.0) * dice.chance(scenes, 0.75)
    return spots(dice, height, width, size, rarity) * planes(strength)


def _fast(side: int) -> int:
    """A side not below `side` for which Fourier transforms are fast."""
    return -(-side // 32) * 32


def _spread(noise: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(noise[:, None], size=(height, width), mode="bilinear")[:, 0]


def draw_backdrop(
    dice: Dice, settings: BackdropSettings, textures: Textures, horizon_px: Tensor, softness_px: Tensor
) -> Tensor:
    """(B, H, W) linear intensity in 0.02..1.2 on the canvas of `textures`.

    Args:
        horizon_px: (B,) canvas row of the horizon.
        softness_px: (B,) width of an edge.
    """
    canvas = _Canvas(dice, settings, textures, horizon_px)
    picture = canvas.skyline()
    canvas.houses()
    canvas.clutter()
    canvas.trees()
    canvas.fences()
    canvas.poles()
    brush = Brush(textures.tile, torch.full((canvas.n, 1), 0.7, device=dice.device), softness_px)
    scene = torch.arange(canvas.n, device=dice.device)
    paint(picture[:, None], canvas.list.stack(), scene, brush)
    return (picture * canvas.light()).clamp(0.02, 1.2)


class _Canvas:
    """Draws sizes and places of what stands about, one part list for all scenes."""

    def __init__(
        self, dice: Dice, settings: BackdropSettings, textures: Textures, horizon_px: Tensor
    ) -> None:
        self.dice, self.settings, self.textures = dice, settings, textures
        self.n, self.height, self.width = textures.fine.shape
        self.unit = self.width / settings.margin / REFERENCE_WIDTH_PX
        self.horizon = horizon_px[:, None]
        self.list = PartList(self.n, 1, dice.device)

    def size(self, low: float, high: float) -> Tensor:
        """(B, 1) px."""
        return self.range(low, high) * self.unit

    def range(self, low: float, high: float) -> Tensor:
        return self.dice.uniform(self.n, low, high)[:, None]

    def tone(self, low: float, high: float) -> Tensor:
        return self.dice.log_uniform(self.n, low, high)[:, None]

    def there(self, probability: float | Tensor) -> Tensor:
        return self.dice.chance(self.n, probability)[:, None]

    def column(self) -> Tensor:
        return self.range(0, self.width)

    def skyline(self) -> Tensor:
        """Sky, and two ridges of hills or tree tops before it."""
        dice, n = self.dice, self.n
        rows = torch.arange(self.height, device=dice.device)[:, None] / self.height
        sky = self.range(0.3, 0.95)[..., None] * (1 - self.range(0, 0.5)[..., None] * rows)
        picture = sky * torch.exp(self.textures.smooth * self.range(0, 0.12)[..., None])
        for _ in range(2):
            ridge = fractal_noise(dice, 4, self.width, dice.uniform(n, 0.9, 1.6))[:, :1]
            lift = self.size(-5, 45) - 200 * self.there(0.35)
            top = self.horizon[..., None] - lift[..., None] + ridge * self.size(2, 18)[..., None]
            seen = (rows * self.height - top).clamp(0, 1) * self.range(0.15, 1)[..., None]
            texture = self.textures.fine * self.tone(*self.settings.texture)[..., None]
            hill = self.range(0.08, 0.6)[..., None] * torch.exp(texture + 0.15 * self.textures.smooth)
            picture = picture + seen * (hill - picture)
        return picture.contiguous()

    def houses(self) -> None:
        for _ in range(self.settings.houses):
            half = self.size(10, 65) * self.there(self.settings.house_chance)
            x, foot, up = self.column(), self.horizon + self.size(0, 25), self.size(20, 130)
            windows = Pattern(
                self.size(8, 36),
                self.size(7, 36),
                self.range(0.3, 0.7),
                self.range(0.25, 0.7),
                self.tone(0.05, 0.9),
            )
            wall, texture = self.range(0.12, 0.9), self.range(0, 0.15)
            top = Point(x, foot - up)
            self.list.add(Point(x, foot), top, (half, half), wall, flat=1.0, texture=texture, pattern=windows)
            shop = self.there(0.4) * half * 0.95
            low = Point(x, foot - up * 0.22)
            self.list.add(Point(x, foot), low, (shop, shop), self.tone(0.05, 0.9), flat=1.0, texture=texture)
            gable = self.there(0.5) * half * 1.05
            ridge = Point(x, top.y - half * self.range(0.2, 0.8))
            self.list.add(top, ridge, (gable, gable * 0.2), self.tone(0.05, 0.5), flat=1.0, texture=texture)

    def clutter(self) -> None:
        """Dead leaves (Lee, Mumford & Huang 2001): shapes of power-law size that hide each other."""
        density = self.dice.unit(self.n) ** 2
        for _ in range(self.settings.clutter):
            size, aspect = self.tone(5, 90) * self.unit / 2, self.tone(0.6, 1.7)
            long, half = size * aspect, size / aspect * self.there(density)
            tilt = self.range(-0.15, 0.15) + self.there(0.15) * self.range(-1.5, 1.5)
            x, y = self.column(), self.range(0, self.height)
            dx, dy = long * tilt.sin(), long * tilt.cos()
            texture = self.range(0, 0.4) * self.there(0.4)
            self.list.add(
                Point(x - dx, y - dy), Point(x + dx, y + dy), (half, half), self.tone(0.05, 1.0),
                flat=self.there(0.75), texture=texture,
            )  # fmt: skip

    def trees(self) -> None:
        for _ in range(self.settings.trees):
            seen, radius = self.there(self.settings.tree_chance), self.size(8, 40)
            x, y, foot = self.column(), self.horizon - self.size(5, 90), self.horizon + 15 * self.unit
            trunk = (1.5 * self.unit + radius * 0.06) * seen
            self.list.add(
                Point(x, foot), Point(x, y), (trunk * 1.3, trunk), self.tone(0.04, 0.3), texture=0.3
            )
            leaves, texture = self.tone(0.05, 0.5), self.range(0.2, 0.9)
            for _ in range(4):
                at = Point(x + radius * self.range(-0.7, 0.7), y + radius * self.range(-0.6, 0.5))
                blob = radius * self.range(0.5, 0.9) * seen
                tone = leaves * self.range(0.75, 1.3)
                self.list.add(
                    at, Point(at.x + 1, at.y), (blob, blob), tone, texture=texture, rough=2.0 * self.unit
                )

    def fences(self) -> None:
        """Bars and rails, sloping as in perspective; one sees through between the bars."""
        for _ in range(self.settings.fences):
            seen, slope = self.there(self.settings.fence_chance), self.range(-0.3, 0.3)
            half, tone = self.size(4, 22) * seen, self.tone(0.05, 1.0)
            period = self.dice.log_uniform(self.n, 4, 22)[:, None] * self.unit
            start, middle = self.range(-0.3, 0.6) * self.width, self.horizon + self.size(-15, 35)
            end = Point(start + self.width, middle + slope * self.width)
            gaps = Pattern(period, 0.0, self.range(0.4, 0.88), 1.0, HOLE)
            taper = self.range(0.5, 1.2)
            self.list.add(Point(start, middle), end, (half, half * taper), tone, flat=1.0, pattern=gaps)
            for share in (-0.9, 0.7):
                rail = (0.9 * self.unit * seen * self.there(0.7),) * 2
                ends = Point(start, middle + share * half), Point(end.x, end.y + share * half * taper)
                self.list.add(*ends, rail, tone)

    def poles(self) -> None:
        """Poles upright; wires and edges at any angle."""
        for _ in range(self.settings.poles):
            upright = self.there(0.6)
            tilt = upright * self.range(-0.06, 0.06) + (1 - upright) * self.range(-1.6, 1.6)
            x, y, long = self.column(), self.range(0, self.height), self.size(20, 200)
            half = (
                self.dice.log_uniform(self.n, 0.4, 5)[:, None]
                * self.unit
                * self.there(self.settings.pole_chance)
            )
            dx, dy = long * tilt.sin(), long * tilt.cos()
            ends = Point(x - dx, y - dy), Point(x + dx, y + dy)
            self.list.add(*ends, (half, half), self.tone(0.04, 1.0), shade=0.2)

    def light(self) -> Tensor:
        """Light and grain over everything."""
        soft = self.range(0, 0.35) * self.there(0.6)
        grain = self.range(0.1, 0.6) * self.there(self.settings.grain_chance)
        return torch.exp(self.textures.smooth * soft[..., None] + self.textures.fine * grain[..., None])


def view_backdrop(canvas: Tensor, rays: Rays) -> Tensor:
    """(B, K, h, w) what is seen of canvases (B, H, W) along `rays`."""
    scenes, times, height, width = rays.x.shape
    grid = torch.stack((rays.x * (2 / canvas.shape[2]), rays.y * (2 / canvas.shape[1])), -1)
    seen = F.grid_sample(
        canvas[:, None],
        grid.view(scenes, times * height, width, 2),
        padding_mode="reflection",
        align_corners=False,
    )
    return seen.view(scenes, times, height, width)
