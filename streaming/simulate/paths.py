"""How the camera of a long scene moves: swings whose periods divide CAMERA_PERIOD_S."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch

from streaming.simulate.camera import AXES, ROLL, SHIFT_X, SHIFT_Y, X_M, Camera
from streaming.simulate.noise import Dice

CAMERA_PERIOD_S: Final = 600
"""The camera's path repeats, so that its phase stays exact however long the scene runs."""


class Swing(NamedTuple):
    """One swing along an axis.

    Attributes:
        axis: of `camera.AXES`.
        size: amplitude: of SHIFT_X and SHIFT_Y a share of the picture's side, of X_M metres, of ROLL radians.
        cycles: whole number in CAMERA_PERIOD_S.
    """

    axis: int
    size: float
    cycles: int


@dataclass(frozen=True)
class CameraPath:
    """A kind of camera.

    Attributes:
        swings: all that it does.
        sub_frames: pictures a step of the scene takes to follow it.
    """

    swings: tuple[Swing, ...] = ()
    sub_frames: int = 1


SWAY: Final = (
    Swing(SHIFT_X, 0.09, 75),
    Swing(SHIFT_X, 0.004, 331),
    Swing(SHIFT_Y, 0.008, 83),
    Swing(SHIFT_Y, 0.003, 410),
    Swing(X_M, 0.5, 80),
)
GAIT: Final = (Swing(SHIFT_Y, 0.012, 1140), Swing(SHIFT_X, 0.008, 570), Swing(ROLL, 0.008, 570))
TREMOR: Final = (
    Swing(SHIFT_X, 0.02, 3610),
    Swing(SHIFT_Y, 0.02, 4390),
    Swing(SHIFT_X, 0.006, 7790),
    Swing(SHIFT_Y, 0.005, 8110),
)

CAMERA_PATHS: Final[Mapping[str, CameraPath]] = {
    "still": CameraPath(),
    "pan": CameraPath(SWAY),
    "walk": CameraPath(SWAY + GAIT, sub_frames=2),
    "shake": CameraPath(SWAY + TREMOR, sub_frames=4),
}
"""By the names that `sim://street?camera=` takes."""


def street_camera(dice: Dice, path: CameraPath, width: int, height: int) -> Camera:
    """A camera at eye height, on `path`, with pictures of `width` x `height` px."""
    sides = {SHIFT_X: float(width), SHIFT_Y: float(height)}
    most = max(1, len(path.swings))
    swing, turns = torch.zeros(1, AXES, most), torch.ones(1, AXES, most)
    for index, (axis, size, cycles) in enumerate(path.swings):
        swing[0, axis, index], turns[0, axis, index] = size * sides.get(axis, 1.0), cycles
    phase = dice.uniform(AXES * most, 0, 2 * math.pi).view(1, AXES, most)
    omega, one = turns * (2 * math.pi / CAMERA_PERIOD_S), torch.ones(1)
    return Camera(
        width, height, one * 1.1 * width, one * -0.09 * height, one * 1.6, torch.zeros(1, AXES),
        swing, omega, phase, torch.zeros(1),
    )  # fmt: skip
