"""The moving camera: a pinhole whose path is a steady motion plus a few slow or fast swings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

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

    def at(self, t_s: Tensor) -> View:
        """Views at (K,) seconds; every axis is 0 at time 0."""
        angle = self.omega[..., None] * t_s + self.phase[..., None]
        swings = (self.swing[..., None] * (angle.sin() - self.phase[..., None].sin())).sum(2)
        return View(*(self.rate[..., None] * t_s + swings).unbind(1))

    def rays(self, view: View) -> Rays:
        """Where every pixel of `view` looks."""
        cos, sin, shift_x, shift_y = (
            value[..., None, None] for value in (view.roll.cos(), view.roll.sin(), view.shift_x, view.shift_y)
        )
        x = torch.arange(self.width, device=view.roll.device) + (0.5 - self.width / 2) - shift_x
        y = torch.arange(self.height, device=view.roll.device)[:, None] + (0.5 - self.height / 2) - shift_y
        return Rays(cos * x + sin * y, cos * y - sin * x)
