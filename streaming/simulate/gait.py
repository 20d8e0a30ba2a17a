"""How a person stands and moves: a 3-D skeleton of 13 joints over time, in units of the person's height.

Axes of the body: `right` (to the person's right), `ahead` (where they walk), `up`. The lower foot always
stands on the ground; walking speed follows from step length and rate, so a standing foot does not slide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from streaming.simulate.arms import BARS, FREE, LAP, draw_arms
from streaming.simulate.noise import Dice, columns

WALK, STAND, RUN, BEND, SIT, RIDE, MOTOR, SCOOT = range(8)
THIGH, SHANK, UPPER_ARM, FOREARM, ANKLE, TRUNK = 0.235, 0.225, 0.17, 0.15, 0.045, 0.30


class Joint(NamedTuple):
    right: Tensor
    ahead: Tensor
    up: Tensor


class Limbs(NamedTuple):
    """Joints of one side."""

    hip: Joint
    knee: Joint
    ankle: Joint
    toe: Joint
    shoulder: Joint
    elbow: Joint
    wrist: Joint
    hand: Joint


class Skeleton(NamedTuple):
    """Joints (N, K), and the trunk's axis as (ahead, up) of a unit step along it."""

    left: Limbs
    right: Limbs
    pelvis: Joint
    trunk_ahead: Tensor
    trunk_up: Tensor


@dataclass(frozen=True)
class Gait:
    """Traits of movement; each (N, 1), angles in radians.

    Attributes:
        kind: WALK to SCOOT, int64: RIDE pedals, MOTOR sits on a motorcycle, SCOOT stands on a scooter.
        yaw: 0 walks away from the camera, pi / 2 to the right on the screen.
        step_hz, phase: steps a second and phase of the first.
        swing: amplitude of the thigh.
        lean: of the trunk, forward.
        thigh, knee: constant flexion added to both legs (sitting, bending, riding).
        build: width of the body against the mean.
        arm_*: per side (N, 2), see `arms.Arms`.
    """

    kind: Tensor
    yaw: Tensor
    step_hz: Tensor
    phase: Tensor
    swing: Tensor
    lean: Tensor
    thigh: Tensor
    knee: Tensor
    build: Tensor
    arm_raise: Tensor
    arm_spread: Tensor
    arm_flexion: Tensor
    arm_inward: Tensor
    arm_swing: Tensor

    def speed(self, height_m: Tensor) -> Tensor:
        """(N,) m/s along `yaw`, of walkers and runners; 0 for others. `height_m` is (N,)."""
        stride = 2 * (THIGH + SHANK) * self.swing.sin() * (1 + 0.2 * (self.kind == RUN).float())
        moving = ((self.kind == WALK) | (self.kind == RUN)).float()
        return (self.step_hz * stride * moving)[:, 0] * height_m


def draw_gait(dice: Dice, kind: Tensor, yaw: Tensor, held: Tensor | None = None) -> Gait:
    """Gaits of (N,) `kind` and `yaw`; `held` (N, 2) are poses of the arms, see `arms.py`."""
    n = len(kind)
    walk, stand, run, bend, sit, ride, motor, scoot = ((kind == k).float() for k in range(8))
    swing = walk * dice.uniform(n, 0.26, 0.5) + run * dice.uniform(n, 0.45, 0.75)
    swing = swing + (stand + sit + scoot) * dice.uniform(n, -0.12, 0.2) + bend * dice.uniform(n, 0, 0.3)
    lean = walk * dice.uniform(n, -0.03, 0.1) + run * dice.uniform(n, 0.05, 0.3)
    lean = lean + stand * dice.uniform(n, -0.08, 0.12) + bend * dice.uniform(n, 0.3, 1.1)
    lean = lean + sit * dice.uniform(n, -0.25, 0.45) + ride * dice.uniform(n, 0.1, 0.7)
    lean = lean + motor * dice.uniform(n, 0.0, 0.6) + scoot * dice.uniform(n, 0.0, 0.15)
    seat_thigh, seat_knee = _draw_seats(dice, n)
    thigh = bend * dice.uniform(n, 0, 1.3) + sit * seat_thigh + (ride + motor) * 1.1
    knee = thigh * bend * 1.6 + sit * seat_knee + (ride + motor) * 1.3
    step_hz = dice.uniform(n, 1.5, 2.1) * (1 + 0.5 * run) * (walk + run) + dice.uniform(n, 1.6, 3.0) * ride
    traits = columns(
        kind, yaw, step_hz, dice.uniform(n, 0, 2 * math.pi), swing, lean, thigh, knee,
        torch.exp(dice.normal(n) * 0.14 + 0.08),
    )  # fmt: skip
    arms: tuple[Tensor, ...] = draw_arms(dice, _hold(kind, held))
    return Gait(*traits, *arms)


def _draw_seats(dice: Dice, n: int) -> tuple[Tensor, Tensor]:
    """Flexion of thigh and knee of people who sit: two thirds on seats, the others on the ground."""
    low = dice.chance(n, 0.35) > 0
    thigh = torch.where(low, dice.uniform(n, 1.45, 2.2), dice.uniform(n, 1.2, 1.65))
    stretched = torch.acos(((0.03 - THIGH * thigh.cos()) / SHANK).clamp(-1, 1))
    shank = stretched * dice.sign(n)
    return thigh, torch.where(low, thigh - shank, dice.uniform(n, 1.0, 1.8))


def _hold(kind: Tensor, held: Tensor | None) -> Tensor:
    """(N, 2) poses of arms: `held`, but riders hold the bars, and who sits rests them."""
    free = torch.full((len(kind), 2), FREE, device=kind.device) if held is None else held
    riding = ((kind == RIDE) | (kind == MOTOR) | (kind == SCOOT))[:, None]
    resting = (kind == SIT)[:, None] & (free == FREE)
    return torch.where(riding, BARS, torch.where(resting, LAP, free))


def pose(gait: Gait, t_s: Tensor) -> Skeleton:
    """Where the joints are at (N, K) seconds."""
    phase = gait.phase + math.pi * gait.step_hz * t_s
    legs = [_leg(gait, phase + offset) for offset in (0.0, math.pi)]
    hip_up = ANKLE + torch.maximum(_reach(*legs[0]), _reach(*legs[1]))
    hip_up = torch.where((gait.kind == RIDE) | (gait.kind == MOTOR), 0.5, hip_up)
    ahead, up = gait.lean.sin().expand_as(t_s), gait.lean.cos().expand_as(t_s)
    sides = [_limbs(gait, side, legs[side], hip_up, phase + math.pi * side, ahead, up) for side in (0, 1)]
    zero = torch.zeros_like(t_s)
    return Skeleton(sides[0], sides[1], Joint(zero, zero, hip_up), ahead, up)


def _leg(gait: Gait, phase: Tensor) -> tuple[Tensor, Tensor]:
    """Angles of thigh and shank against the vertical; the knee bends while the leg swings forward."""
    pedals = (gait.kind == RIDE).float()
    thigh = gait.swing * _even(phase) + gait.thigh + pedals * 0.35 * phase.sin()
    bent = (gait.swing * 1.5).abs() * phase.cos().clamp_min(0) + pedals * 0.4 * phase.cos()
    knee = bent + 0.05 + gait.knee
    return thigh, thigh - knee


def _even(phase: Tensor) -> Tensor:
    """A sine made almost straight between its turns: a foot on the ground stays where it is."""
    return torch.asin(0.95 * phase.sin()) / math.asin(0.95)


def _reach(thigh: Tensor, shank: Tensor) -> Tensor:
    return THIGH * thigh.cos() + SHANK * shank.cos()


def _limbs(
    gait: Gait,
    side: int,
    leg: tuple[Tensor, Tensor],
    hip_up: Tensor,
    phase: Tensor,
    ahead: Tensor,
    up: Tensor,
) -> Limbs:
    sign = 2.0 * side - 1
    zero = torch.zeros_like(hip_up)
    thigh, shank = leg
    width = sign * gait.build
    hip = Joint(zero + width * 0.066, zero, hip_up)
    knee = Joint(zero + width * 0.07, THIGH * thigh.sin(), hip_up - THIGH * thigh.cos())
    ankle = Joint(zero + width * 0.074, knee.ahead + SHANK * shank.sin(), knee.up - SHANK * shank.cos())
    tip = shank.clamp(-0.9, 0.2)
    toe = Joint(
        ankle.right + sign * 0.02, ankle.ahead + 0.085 * tip.cos(), ankle.up - 0.025 + 0.07 * tip.sin()
    )
    shoulder = Joint(zero + width * 0.12, TRUNK * ahead, hip_up + TRUNK * up)
    return Limbs(hip, knee, ankle, toe, shoulder, *_arm(gait, side, shoulder, phase))


def _arm(gait: Gait, side: int, shoulder: Joint, phase: Tensor) -> tuple[Joint, Joint, Joint]:
    """Arms swing against their leg."""
    sign = 2.0 * side - 1
    raised, spread, flexion, inward, share = (
        trait[:, side : side + 1]
        for trait in (gait.arm_raise, gait.arm_spread, gait.arm_flexion, gait.arm_inward, gait.arm_swing)
    )
    upper = raised - 0.8 * share * gait.swing * phase.sin() + 0.4 * gait.lean
    fore = upper + flexion
    elbow = Joint(
        shoulder.right + sign * UPPER_ARM * spread.sin(),
        shoulder.ahead + UPPER_ARM * upper.sin() * spread.cos(),
        shoulder.up - UPPER_ARM * upper.cos() * spread.cos(),
    )
    wrist = Joint(
        elbow.right + sign * FOREARM * inward.sin(),
        elbow.ahead + FOREARM * fore.sin(),
        elbow.up - FOREARM * fore.cos(),
    )
    hand = Joint(wrist.right, wrist.ahead + 0.03 * fore.sin(), wrist.up - 0.03 * fore.cos())
    return elbow, wrist, hand
