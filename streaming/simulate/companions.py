"""What people have with them that is not a person: prams, dogs, umbrellas, suitcases, seats.

Companions are things of their own, in heights of their owner and in the owner's place, painted before or
after them: they cover and are covered, and never widen a person's box.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from streaming.simulate.arms import ALOFT, CARRY, FREE, LEAD, PUSH
from streaming.simulate.gait import SIT, STAND, WALK
from streaming.simulate.noise import Dice
from streaming.simulate.parts import Hinge, Point
from streaming.simulate.solids import Kit, Solid, draw_by_kind

ALONE = -1
UMBRELLA, PRAM, STROLLER, DOG, SUITCASE, LOAD, BENCH, CHAIR = range(8)
WEIGHTS = (0.12, 0.13, 0.1, 0.25, 0.2, 0.2)
"""How often company is UMBRELLA to LOAD."""

ARMS = {
    UMBRELLA: (FREE, ALOFT), PRAM: (PUSH, PUSH), STROLLER: (PUSH, PUSH), DOG: (FREE, LEAD),
    LOAD: (CARRY, CARRY),
}  # fmt: skip
BENCH_SHARE = 0.55


def draw_company(dice: Dice, kind: Tensor, child: Tensor, chance: float) -> Tensor:
    """(N,) int64: what people of (N,) `kind` have with them, ALONE to CHAIR; `chance` of those on foot."""
    company = torch.where(dice.unit(len(kind)) < chance, dice.choose(len(kind), WEIGHTS), ALONE)
    upright = ((kind == WALK) | (kind == STAND)) & (child == 0)
    seat = torch.where(dice.unit(len(kind)) < BENCH_SHARE, BENCH, CHAIR)
    return torch.where(kind == SIT, seat, torch.where(upright, company, ALONE))


def arms_for(company: Tensor) -> Tensor:
    """(N, 2) poses of the owners' arms."""
    table = torch.full((CHAIR + 1, 2), FREE, device=company.device)
    for name, poses in ARMS.items():
        table[name] = torch.tensor(poses, device=company.device)
    return torch.where((company == ALONE)[:, None], FREE, table[company.clamp_min(0)])


def needs_seat(company: Tensor) -> Tensor:
    """(N,) bool: a bench or a chair."""
    return (company == BENCH) | (company == CHAIR)


def nearness(company: Tensor, yaw: Tensor) -> Tensor:
    """(N,) above 0 for companions that lie between their owner and the camera, below 0 behind."""
    ahead, behind = -yaw.cos(), yaw.cos()
    side = torch.where((company == SUITCASE) | needs_seat(company), behind, ahead)
    return torch.where(company == UMBRELLA, torch.ones_like(yaw), side)


def draw_companions(dice: Dice, company: Tensor, yaw: Tensor, pace: Tensor, seat: Tensor) -> Solid:
    """Companions of (N,) kinds UMBRELLA to CHAIR.

    Args:
        yaw: (N,) of their owners.
        pace: (N,) heights of the owner a second.
        seat: (N,) height of the seat they need.
    """

    def rolling(paint: Callable[[Kit, Tensor], None], trait: Tensor) -> Callable[[Kit], None]:
        return lambda kit: paint(kit, trait[kit.rows][:, None])

    painters = (
        _umbrella, rolling(_pram, pace), rolling(_stroller, pace), rolling(_dog, pace), _suitcase, _load,
        rolling(_bench, seat), rolling(_chair, seat),
    )  # fmt: skip
    return draw_by_kind(dice, company, yaw, painters)


def _umbrella(kit: Kit) -> None:
    """A canopy of panels over the owner's head, its ribs seen as strokes, and a stick down to the hand."""
    tone, second, wide = kit.tone(), kit.tone(), kit.range(0.26, 0.36)
    edge, tip = kit.range(0.95, 1.06), kit.range(0.12, 0.2)
    centre = kit.at(kit.range(-0.02, 0.12), kit.range(-0.05, 0.12), edge)
    lean = kit.range(-0.06, 0.06)
    bend, top = Point(centre.x + 0.6 * lean, edge + 0.62 * tip), Point(centre.x + lean, edge + tip)
    kit.bar(kit.at(0.14, 0.1, 0.66), top, 0.007, second)
    kit.list.add(centre, bend, (wide, wide * 0.66), tone, flat=1.0, shade=0.2)
    kit.list.add(bend, top, (wide * 0.66, wide * 0.12), tone, flat=1.0, shade=0.2)
    under = 1 / kit.range(0.08, 0.2) - 1
    left, right = Point(centre.x - 1e-3, edge), Point(centre.x + 1e-3, edge)
    kit.list.add(left, right, (wide, wide), tone * 0.5, stretch=under)
    contrast = tone * torch.where(kit.chance(0.5) > 0, 0.75, 1.3)
    for share in (-0.85, -0.35, 0.3, 0.8):
        knee = Point(bend.x + share * wide * 0.66, bend.y)
        kit.bar(Point(centre.x + share * wide, edge), knee, 0.006, contrast)
        kit.bar(knee, top, 0.006, contrast)


def _pram(kit: Kit, pace: Tensor) -> None:
    """A carrycot with a hood on four wheels, its handle before the owner's hands."""
    tone, frame = kit.tone(), kit.tone(0.05, 0.8)
    near, deep = kit.range(0.32, 0.4), kit.range(0.32, 0.42)
    for side in (-0.12, 0.12):
        _chassis(kit, near, deep, side, frame, pace)
    low, high = kit.at(near, 0.0, 0.36), kit.at(near + deep, 0.0, 0.36)
    kit.list.add(low, high, (0.1, 0.095), tone, texture=0.1, shade=0.15)
    hood = kit.at(near + 0.25 * deep + 0.5 * deep * kit.chance(0.6), 0.0, 0.44)
    kit.list.add(hood, Point(hood.x, hood.y + 0.02), (0.13, 0.12), tone * kit.range(0.6, 1.3), texture=0.1)
    kit.bar(kit.at(near, 0.0, 0.4), kit.at(0.2, 0.0, 0.6), 0.014, frame)


def _stroller(kit: Kit, pace: Tensor) -> None:
    """A folding seat with a child's head and feet, under a small hood."""
    tone, frame, skin = kit.tone(), kit.tone(0.05, 0.8), kit.tone(0.25, 0.75)
    near, deep = kit.range(0.3, 0.36), kit.range(0.26, 0.34)
    for side in (-0.1, 0.1):
        _chassis(kit, near, deep, side, frame, pace)
    seat = kit.at(near + 0.5 * deep, 0.0, 0.24)
    back = kit.at(near + 0.2 * deep, 0.0, 0.44)
    kit.list.add(seat, back, (0.075, 0.08), tone, texture=0.1, shade=0.15)
    kit.bar(seat, kit.at(near + 0.9 * deep, 0.0, kit.range(0.14, 0.22)), 0.045, kit.tone())
    kit.bar(back, Point(back.x + 1e-3, back.y + kit.range(0.0, 0.04)), 0.05, skin)
    kit.list.add(back, kit.at(near + 0.35 * deep, 0.0, 0.53), (0.08, 0.07), tone * 0.8)
    kit.bar(kit.at(near, 0.0, 0.36), kit.at(0.2, 0.0, 0.58), 0.012, frame)


def _chassis(kit: Kit, near: Tensor, deep: Tensor, side: float, frame: Tensor, pace: Tensor) -> None:
    """A frame and two wheels on one side, from `near` to `near + deep` ahead of the owner."""
    radius = kit.range(0.05, 0.1)
    back, front = kit.at(near, side, radius), kit.at(near + deep, side, radius)
    for hub in (back, front):
        kit.wheel(hub, radius, frame * 0.4, pace / radius, spokes=1)
    kit.bar(back, kit.at(near + 0.8 * deep, side, 0.32), 0.011, frame)
    kit.bar(front, kit.at(near + 0.2 * deep, side, 0.32), 0.011, frame)


def _dog(kit: Kit, pace: Tensor) -> None:
    """A dog on its lead, a few steps ahead or beside."""
    tone, size = kit.tone(), kit.range(0.16, 0.38)
    ahead, aside = kit.range(0.2, 0.9), kit.range(0.1, 0.4)
    long = size * kit.range(0.8, 1.2)
    omega = 2 * torch.pi * 2.2 * (pace > 0)

    def spot(along: Tensor | float, up: Tensor | float) -> Point:
        return kit.at(ahead + along * long, aside, up * size)

    for index, along in enumerate((0.0, 0.08, 0.85, 0.93)):
        hip = spot(along, 0.62)
        swing = Hinge(hip.x, hip.y, kit.foreshortening(), 0.0, 0.5 * (pace > 0), omega, index * 2.2)
        kit.list.add(hip, spot(along, 0.0), (0.09 * size, 0.05 * size), tone * 0.8, hinge=swing)
    kit.list.add(spot(0.0, 0.68), spot(0.95, 0.72), (0.17 * size, 0.2 * size), tone, texture=0.25, shade=0.15)
    kit.bar(spot(0.95, 0.75), spot(1.12, 1.0), 0.1 * size, tone)
    kit.list.add(spot(1.12, 1.02), spot(1.38, 0.95), (0.12 * size, 0.06 * size), tone * kit.range(0.6, 1.3))
    tail = spot(0.0, 0.75)
    kit.bar(tail, spot(-0.3, kit.range(0.4, 1.1)), 0.05 * size, tone, kit.sway(tail.x, tail.y, 0.1, 0.5))
    kit.bar(kit.at(0.2, 0.16, 0.45), spot(1.0, 0.85), 0.005, kit.tone())


def _suitcase(kit: Kit) -> None:
    """Rolled behind, its handle towards the hand."""
    tone, wide, tall = kit.tone(), kit.range(0.07, 0.14), kit.range(0.26, 0.42)
    base = kit.at(kit.range(-0.45, -0.3), 0.12, 0.03)
    top = Point(base.x + 0.1 * kit.sin, tall)
    kit.bar(top, kit.at(-0.12, 0.16, 0.42), 0.01, kit.tone(0.05, 0.6))
    kit.list.add(base, top, (wide, wide), tone, flat=1.0, texture=0.1, shade=0.15)
    for share in (0.3, 0.7):
        band = Point(base.x + 0.1 * share * kit.sin, share * tall)
        kit.bar(Point(band.x - wide, band.y), Point(band.x + wide, band.y), 0.006, tone * 0.6)


def _load(kit: Kit) -> None:
    """A box or a sack in both arms."""
    wide, tall = kit.range(0.09, 0.17), kit.range(0.1, 0.22)
    base = kit.at(0.2, 0.0, kit.range(0.5, 0.58))
    seen = wide * (0.6 + 0.4 * kit.cos.abs())
    top = Point(base.x, base.y + tall)
    kit.list.add(base, top, (seen, seen), kit.tone(), flat=kit.chance(0.7), texture=0.15)
    lid = Point(base.x, base.y + 0.6 * tall), Point(base.x, base.y + 0.66 * tall)
    kit.list.add(*lid, (seen * 0.9, seen * 0.9), kit.tone(), flat=1.0)


def _bench(kit: Kit, seat: Tensor) -> None:
    _seat(kit, seat, kit.range(0.3, 0.6), boards=3)


def _chair(kit: Kit, seat: Tensor) -> None:
    _seat(kit, seat, kit.range(0.11, 0.16), boards=2)


def _seat(kit: Kit, height: Tensor, half: Tensor, boards: int) -> None:
    """A seat `height` above the ground and 2 `half` wide, with a back of `boards`; some have none."""
    tone, leg = kit.tone(), kit.log_range(0.008, 0.022)
    back = kit.chance(0.75)
    for side in (-0.9, 0.9):
        for ahead in (-0.12, 0.12):
            top = height * (1 + back * (ahead < 0))
            kit.bar(kit.at(ahead, side * half, 0.0), kit.at(ahead, side * half, top), leg, tone * 0.8)
        kit.bar(kit.at(-0.13, side * half, height), kit.at(0.13, side * half, height), 0.02, tone)
    for ahead in (-0.07, 0.07):
        kit.bar(kit.at(ahead, -half, height), kit.at(ahead, half, height), 0.022, tone)
    for board in range(boards):
        up = height + 0.1 + 0.16 * (board + 0.5) / boards
        kit.bar(kit.at(-0.14, -half, up), kit.at(-0.14, half, up), (0.05 / boards + 0.008) * back, tone)
