"""How light changes: clouds and doors, lamps at mains frequency, shadows and headlights that sweep by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from streaming.simulate.camera import REFERENCE_WIDTH_PX, View
from streaming.simulate.noise import Dice, Range, fractal_noise, planes

MAINS_HZ = (100.0, 120.0)
"""Lamps flicker at twice the frequency of the mains."""
LAMPS = 4


@dataclass(frozen=True)
class LightSettings:
    """How much light there is and how it changes.

    Attributes:
        day, night: factors on the scene's intensity, between which each scene's is drawn.
        stray: light in the lens added to the picture.
        ramp_chance, ramp: of light that changes everywhere but for patches; log intensity a window.
        flicker_chance, flicker: of all light flickering, and its depth, log intensity.
        lamp_chance, lamp: of single lamps in view, and their brightness against the scene, log intensity.
        sweep_chance, sweep: of shadows or headlights that pass, and their depth, log intensity.
        sweep_px_s: their speed, px of a picture 173 wide.
        night_lamp_chance, night_sweep_chance: the same of lamps and sweeps at night.
    """

    day: Range = (0.5, 1.2)
    night: Range = (0.03, 0.35)
    stray: Range = (0.02, 0.3)
    night_stray: Range = (0.01, 0.06)
    ramp_chance: float = 0.12
    ramp: Range = (0.03, 0.25)
    flicker_chance: float = 0.04
    flicker: Range = (0.02, 0.2)
    lamp_chance: float = 0.04
    lamp: Range = (0.5, 3.0)
    sweep_chance: float = 0.06
    sweep: Range = (0.1, 1.2)
    sweep_px_s: Range = (10.0, 200.0)
    night_lamp_chance: float = 0.5
    night_sweep_chance: float = 0.25


def lit(dice: Dice, settings: LightSettings, night: Tensor, pictures: Tensor) -> Tensor:
    """Log intensity of `pictures` (B, K, h, w), changed in place, in the light of day or `night` (B,)."""
    scenes = len(night)
    level = torch.where(
        night > 0, dice.log_uniform(scenes, *settings.night), dice.log_uniform(scenes, *settings.day)
    )
    stray = torch.where(
        night > 0, dice.log_uniform(scenes, *settings.night_stray), dice.log_uniform(scenes, *settings.stray)
    )
    level, stray = level[:, None, None, None], stray[:, None, None, None]
    return pictures.clamp_min_(0.005).mul_(level).add_(stray).log_()


@dataclass(frozen=True)
class Moments:
    """When pictures of n scenes are taken, and where the camera then looks.

    Attributes:
        t_s: (K,) seconds.
        shift_x, shift_y: (n, K) how far the picture moved on the sensor, px.
        height, width: of pictures, px.
    """

    t_s: Tensor
    shift_x: Tensor
    shift_y: Tensor
    height: int
    width: int


def change_light(
    dice: Dice, settings: LightSettings, night: Tensor, log_intensity: Tensor, view: View, t_s: Tensor
) -> None:
    """Change the light of pictures (B, K, h, w) at (K,) seconds, seen by cameras at `view`, in place."""
    scenes, _, height, width = log_intensity.shape
    for draw, chance in (
        (_ramp, dice.chance(scenes, settings.ramp_chance)),
        (_flicker, dice.chance(scenes, settings.flicker_chance)),
        (draw_lamps, dice.chance(scenes, _by(night, settings.lamp_chance, settings.night_lamp_chance))),
        (_sweep, dice.chance(scenes, _by(night, settings.sweep_chance, settings.night_sweep_chance))),
    ):
        rows = chance.nonzero()[:, 0]
        if len(rows):
            at = Moments(t_s, view.shift_x[rows], view.shift_y[rows], height, width)
            log_intensity[rows] += draw(dice, settings, at)


def _by(night: Tensor, day_chance: float, night_chance: float) -> Tensor:
    return torch.where(night > 0, night_chance, day_chance)


def _places(dice: Dice, scenes: int, at: Moments) -> Tensor:
    """(n, 1, h, w) smooth shares 0..1: where a change reaches."""
    place = fractal_noise(dice, 32, 48, dice.uniform(scenes, 1.2, 2.0)) * 1.5
    place = place + planes(dice.uniform(scenes, -1, 2))
    return F.interpolate(torch.sigmoid(place)[:, None], size=(at.height, at.width), mode="bilinear")


def _ramp(dice: Dice, settings: LightSettings, at: Moments) -> Tensor:
    """(n, K, h, w) of clouds and doors."""
    scenes = len(at.shift_x)
    depth = dice.uniform(scenes, *settings.ramp) * dice.sign(scenes)
    share = at.t_s / (at.t_s[-1] - at.t_s[0])
    return (depth[:, None] * share)[..., None, None] * _places(dice, scenes, at)


def _flicker(dice: Dice, settings: LightSettings, at: Moments) -> Tensor:
    """(n, K, h, w) of everything under the lamps of a hall."""
    scenes = len(at.shift_x)
    depth = dice.uniform(scenes, *settings.flicker)
    return (depth[:, None] * _waves(dice, scenes, at.t_s))[..., None, None] * _places(dice, scenes, at)


def _waves(dice: Dice, scenes: int, t_s: Tensor) -> Tensor:
    """(n, K) sine at mains frequency."""
    low, high = MAINS_HZ
    hz = torch.where(dice.unit(scenes) < 0.5, low, high) * (1 + 0.003 * dice.normal(scenes))
    phase = dice.uniform(scenes, 0, 2 * math.pi)
    return (2 * math.pi * hz[:, None] * t_s + phase[:, None]).sin()


def draw_lamps(dice: Dice, settings: LightSettings, at: Moments) -> Tensor:
    """(n, K, h, w) of single lamps, each with a halo that may flicker, which move as the view turns."""
    scenes = len(at.shift_x)
    glow = torch.zeros(scenes, len(at.t_s), at.height, at.width, device=dice.device)
    for _ in range(LAMPS):
        x = dice.uniform(scenes, 0, at.width)[:, None] + at.shift_x
        y = dice.uniform(scenes, 0, at.height * 0.6)[:, None] + at.shift_y
        radius = dice.log_uniform(scenes, 0.012, 0.12) * at.width
        bright = dice.log_uniform(scenes, *settings.lamp) * dice.chance(scenes, 0.6)
        depth = dice.uniform(scenes, 0, 0.35) * dice.chance(scenes, 0.6)
        wave = bright[:, None] * (1 + depth[:, None] * _waves(dice, scenes, at.t_s))
        glow += wave[..., None, None] * torch.exp(_square_px(x, y, at) / -(radius**2)[:, None, None, None])
    return glow


def _square_px(x: Tensor, y: Tensor, at: Moments) -> Tensor:
    """(n, K, h, w) square of the distance from (n, K) px."""
    column = torch.arange(at.width, device=x.device) - x[..., None, None]
    row = torch.arange(at.height, device=x.device)[:, None] - y[..., None, None]
    return column.square() + row.square()


def _sweep(dice: Dice, settings: LightSettings, at: Moments) -> Tensor:
    """(n, K, h, w) of a soft-edged band of shadow or of headlights that passes."""
    scenes, unit = len(at.shift_x), at.width / REFERENCE_WIDTH_PX
    angle = dice.uniform(scenes, 0, 2 * math.pi)
    speed = dice.log_uniform(scenes, *settings.sweep_px_s) * unit
    depth = dice.log_uniform(scenes, *settings.sweep) * dice.sign(scenes)
    half, soft = dice.uniform(scenes, 8, 90) * unit, dice.log_uniform(scenes, 1.5, 20) * unit
    column = torch.arange(at.width, device=dice.device) - at.width / 2
    row = torch.arange(at.height, device=dice.device)[:, None] - at.height / 2
    across = (planes(angle.cos()) * column + planes(angle.sin()) * row)[:, None]
    middle = dice.uniform(scenes, -at.width / 2, at.width / 2)[:, None] + speed[:, None] * at.t_s
    inside = (planes(half)[:, None] - (across - middle[..., None, None]).abs()) / planes(soft)[:, None]
    return planes(depth)[:, None] * torch.sigmoid(inside)
