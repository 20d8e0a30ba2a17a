"""The moving camera: a pinhole whose path is a steady motion plus a few slow or fast swings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from streaming.simulate.lens import half_diagonal, straighten
from streaming.simulate.noise import Dice, Range

REFERENCE_WIDTH_PX = 173
"""Speeds and sizes in the picture are given for one of this width and grow with it."""
SHIFT_X, SHIFT_Y, ROLL, X_M, Z_M = range(5)
AXES = 5
"""The axes a camera moves along: `SHIFT_X` to `Z_M`, as in `View`."""


@dataclass(frozen=True)
class View:
    """Where the camera is at (B, K) times.

    Attributes:
        shift_x, shift_y: how far the picture moved on the sensor by turning, px.
        roll: radians, clockwise on the screen.
        x_m, z_m: metres to the right and ahead of where it was at time 0.
    """

    shift_x: Tensor
    shift_y: Tensor
    roll: Tensor
    x_m: Tensor
    z_m: Tensor


@dataclass(frozen=True)
class Rays:
    """Where pixels look: at which px about the middle the camera of time 0 would see the same.

    Attributes:
        x, y: (B, K, h, w).
    """

    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class Camera:
    """Cameras of B scenes. Pixels are rendered pixels, rows counted from the middle of the picture.

    Attributes:
        width, height: of the picture, px.
        focal_px: (B,) pinhole focal length.
        horizon_px: (B,) row of the horizon.
        eye_m: (B,) height above the ground.
        rate: (B, AXES) steady motion a second along each axis (px, px, radians, m, m).
        swing: (B, AXES, S) amplitudes of S sine swings.
        omega: (B, AXES, S) radians a second.
        phase: (B, AXES, S) radians.
        bend: (B,) how its lens bends lines, see `lens.py`.
    """

    width: int
    height: int
    focal_px: Tensor
    horizon_px: Tensor
    eye_m: Tensor
    rate: Tensor
    swing: Tensor
    omega: Tensor
    phase: Tensor
    bend: Tensor

    def at(self, t_s: Tensor) -> View:
        """Views at (K,) seconds; every axis is 0 at time 0."""
        angle = self.omega[..., None] * t_s + self.phase[..., None]
        swings = (self.swing[..., None] * (angle.sin() - self.phase[..., None].sin())).sum(2)
        return View(*(self.rate[..., None] * t_s + swings).unbind(1))

    def rays(self, view: View, rows: slice = slice(None)) -> Rays:
        """Where every pixel of `view` looks, of the scenes `rows`."""
        cos, sin = view.roll[rows].cos(), view.roll[rows].sin()
        aside, down = view.shift_x[rows], view.shift_y[rows]
        x, y = self._straight(rows)
        frames = [
            value[..., None, None] for value in (cos, sin, cos * aside + sin * down, cos * down - sin * aside)
        ]
        cos, sin, start_x, start_y = frames
        return Rays(
            (x * cos).addcmul_(y, sin).sub_(start_x), (y * cos).addcmul_(x, sin, value=-1).sub_(start_y)
        )

    def _straight(self, rows: slice) -> tuple[Tensor, Tensor]:
        """(B, 1, h, w) each: px about the middle at which pixels would look without the lens."""
        reach, device = half_diagonal(self.width, self.height), self.bend.device
        x = torch.arange(self.width, device=device) + (0.5 - self.width / 2)
        y = torch.arange(self.height, device=device)[:, None] + (0.5 - self.height / 2)
        x, y = straighten(x / reach, y / reach, self.bend[rows, None, None, None])
        return x * reach, y * reach


@dataclass(frozen=True)
class CameraSettings:
    """Ego-motion, in px of a picture REFERENCE_WIDTH_PX wide.

    Attributes:
        focal: against the picture's width.
        horizon: row against the picture's height. eye_m: height of the camera.
        still_chance: of a nearly static camera.
        pan_px_s: speed of turning; still_px_s: of a static one.
        advance_m_s: ahead; sideways_m_s: deviation; each in 60 % of the moving scenes.
        roll_rad_s: deviation.
        shake_px, shake_hz: of a hand or a vehicle.
        gait_chance: of a camera that somebody walks with; bob_px, bob_hz: how it then goes up and down.
        drive_chance: of one in a vehicle; drive_m_s: its speed.
    """

    focal: Range = (0.65, 1.5)
    horizon: Range = (0.12, 0.7)
    eye_m: Range = (0.5, 2.6)
    still_chance: float = 0.12
    pan_px_s: Range = (12.0, 150.0)
    still_px_s: Range = (0.2, 4.0)
    advance_m_s: Range = (-0.3, 1.6)
    sideways_m_s: float = 0.5
    roll_rad_s: float = 0.25
    shake_px: Range = (0.05, 1.8)
    shake_hz: Range = (4.0, 16.0)
    gait_chance: float = 0.25
    bob_px: Range = (0.5, 4.0)
    bob_hz: Range = (1.5, 2.3)
    drive_chance: float = 0.06
    drive_m_s: Range = (2.0, 14.0)


def draw_camera(dice: Dice, settings: CameraSettings, bend: Tensor, width: int, height: int) -> Camera:
    """Cameras of B scenes with lenses `bend` (B,), with pictures of `width` x `height`."""
    s, scenes = settings, len(bend)
    moving = 1 - dice.chance(scenes, s.still_chance)
    phase = dice.uniform(scenes * AXES * 2, 0, 2 * math.pi).view(scenes, AXES, 2)
    swing, omega = _draw_swings(dice, s, moving, width / REFERENCE_WIDTH_PX)
    return Camera(
        width, height, dice.uniform(scenes, *s.focal) * width,
        (dice.uniform(scenes, *s.horizon) - 0.5) * height, dice.log_uniform(scenes, *s.eye_m),
        _draw_rates(dice, s, moving, width / REFERENCE_WIDTH_PX), swing, omega, phase, bend,
    )  # fmt: skip


def _draw_rates(dice: Dice, settings: CameraSettings, moving: Tensor, unit: float) -> Tensor:
    """(B, AXES) steady motion, mostly turning level; `unit` px of the picture are one px of the settings."""
    s, scenes = settings, len(moving)
    drives = dice.chance(scenes, s.drive_chance) * moving
    turn = torch.where(
        moving > 0, dice.log_uniform(scenes, *s.pan_px_s), dice.log_uniform(scenes, *s.still_px_s)
    ) * (1 - 0.8 * drives)
    level = dice.uniform(scenes, -0.35, 0.35) + math.pi * dice.chance(scenes, 0.5)
    course = torch.where(dice.unit(scenes) < 0.6, level, dice.uniform(scenes, 0, 2 * math.pi))
    ahead = dice.uniform(scenes, *s.advance_m_s) * moving * dice.chance(scenes, 0.6)
    return torch.stack((
        turn * course.cos() * unit, turn * course.sin() * unit, dice.normal(scenes) * s.roll_rad_s * moving,
        dice.normal(scenes) * s.sideways_m_s * moving * dice.chance(scenes, 0.6),
        torch.where(drives > 0, dice.log_uniform(scenes, *s.drive_m_s), ahead),
    ), 1)  # fmt: skip


def _draw_swings(dice: Dice, settings: CameraSettings, moving: Tensor, unit: float) -> tuple[Tensor, Tensor]:
    """(B, AXES, 2) amplitudes and radians a second of shaking and of walking."""
    s, scenes = settings, len(moving)
    shake = dice.log_uniform(scenes, *s.shake_px) * moving * unit
    bob = dice.log_uniform(scenes, *s.bob_px) * moving * unit * dice.chance(scenes, s.gait_chance)
    swing = torch.zeros(scenes, AXES, 2, device=dice.device)
    swing[:, SHIFT_X, 0], swing[:, SHIFT_Y, 0] = shake, 0.7 * shake
    swing[:, SHIFT_X, 1], swing[:, SHIFT_Y, 1] = 0.6 * bob, bob
    omega = torch.ones(scenes, AXES, 2, device=dice.device)
    omega[:, :, 0] = (dice.uniform(scenes, *s.shake_hz) * 2 * math.pi)[:, None]
    omega[:, SHIFT_Y, 0] *= 0.8
    # A step lifts the camera once and swings it to one side: half as often aside as up and down.
    omega[:, :, 1] = (dice.uniform(scenes, *s.bob_hz) * math.pi)[:, None]
    omega[:, SHIFT_Y, 1] *= 2
    return swing, omega
