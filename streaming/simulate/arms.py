"""What people do with their arms: swing, phone, carry, push, hold hands."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from streaming.simulate.noise import Dice

HANG, BENT, AKIMBO, PHONE, EAR, CROSSED, LIFTED, WIDE, PUSH, ALOFT, LEAD, LINK, CARRY, BARS, LAP = range(15)
FREE = -1
"""Do with this arm what you like."""


class ArmPose(NamedTuple):
    """Lowest and highest angle of an arm, radians, and what it does while its owner walks.

    Attributes:
        raise_, spread: of the upper arm, forward and to the side.
        flexion: of the elbow. inward: turn of the forearm, below 0 towards the body.
        swing: share of the usual swing.
        weight: how often free arms do this.
    """

    raise_: tuple[float, float]
    spread: tuple[float, float]
    flexion: tuple[float, float]
    inward: tuple[float, float]
    swing: float
    weight: float = 0.0


POSES = {
    HANG: ArmPose((-0.1, 0.15), (0.02, 0.22), (0.05, 0.5), (-0.15, 0.12), 1.0, 0.6),
    BENT: ArmPose((-0.1, 0.2), (0.05, 0.25), (0.6, 1.7), (-0.3, 0.1), 0.8, 0.12),
    AKIMBO: ArmPose((-0.4, 0.0), (0.3, 0.6), (0.5, 1.0), (-0.6, -0.2), 0.2, 0.05),
    PHONE: ArmPose((0.1, 0.5), (0.05, 0.2), (1.4, 2.0), (-0.5, -0.1), 0.1, 0.07),
    EAR: ArmPose((0.3, 0.9), (0.2, 0.5), (2.1, 2.5), (-0.3, 0.0), 0.1, 0.03),
    CROSSED: ArmPose((0.15, 0.35), (0.05, 0.15), (1.3, 1.6), (-1.2, -0.8), 0.0, 0.03),
    LIFTED: ArmPose((0.5, 2.6), (0.02, 0.3), (0.05, 0.8), (-0.2, 0.2), 0.2, 0.04),
    WIDE: ArmPose((-0.1, 0.4), (0.25, 0.9), (0.05, 0.6), (-0.2, 0.5), 0.5, 0.04),
    PUSH: ArmPose((0.35, 0.6), (0.03, 0.12), (0.5, 0.9), (-0.1, 0.1), 0.0),
    ALOFT: ArmPose((0.3, 0.5), (0.05, 0.15), (1.8, 2.1), (-0.2, 0.0), 0.1),
    LEAD: ArmPose((0.1, 0.5), (0.05, 0.25), (0.2, 0.7), (-0.1, 0.2), 0.2),
    LINK: ArmPose((-0.05, 0.1), (0.25, 0.45), (0.1, 0.5), (-0.1, 0.2), 0.3),
    CARRY: ArmPose((0.05, 0.3), (0.05, 0.15), (1.1, 1.6), (-0.35, -0.1), 0.0),
    BARS: ArmPose((0.85, 1.15), (0.1, 0.35), (0.05, 0.6), (-0.2, 0.1), 0.0),
    LAP: ArmPose((0.1, 0.8), (0.02, 0.2), (0.3, 1.5), (-0.4, 0.1), 0.0),
}


class Arms(NamedTuple):
    """Angles and swing of both arms, each (N, 2): left, right."""

    raise_: Tensor
    spread: Tensor
    flexion: Tensor
    inward: Tensor
    swing: Tensor


def draw_arms(dice: Dice, held: Tensor) -> Arms:
    """Arms that hold to (N, 2) `held` poses, one of POSES or FREE."""
    n = len(held)
    free = torch.stack([dice.choose(n, [pose.weight for pose in POSES.values()]) for _ in range(2)], 1)
    free = torch.where((free == CROSSED).any(1, keepdim=True), CROSSED, free)
    pose = torch.where(held == FREE, free, held)
    rows = [(*p.raise_, *p.spread, *p.flexion, *p.inward) for p in POSES.values()]
    low_high = torch.tensor(rows, device=dice.device)[pose].view(n, 2, 4, 2)
    low, high = low_high.unbind(3)
    angles = low + dice.unit(n, 2, 4) * (high - low)
    swing = torch.tensor([p.swing for p in POSES.values()], device=dice.device)[pose]
    raised, spread, flexion, inward = angles.unbind(2)
    return Arms(raised, spread, flexion, inward, swing)
