"""Bicycles, motorcycles and scooters under their riders, or parked without one."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from streaming.simulate.gait import MOTOR, RIDE, SCOOT
from streaming.simulate.noise import Dice, Range
from streaming.simulate.parts import R1, R2, Y1, Y2, Hinge, Point
from streaming.simulate.solids import Kit, Solid

BICYCLE, MOTORCYCLE, MOPED, KICK = range(4)
WEIGHTS = (0.55, 0.18, 0.15, 0.12)
RIDERS = {BICYCLE: RIDE, MOTORCYCLE: MOTOR, MOPED: MOTOR, KICK: SCOOT}
"""How who sits or stands on it moves."""


class Make(NamedTuple):
    """Ranges of one kind, in heights of the rider.

    Attributes:
        radius: of wheels. base: half of the wheelbase. tube: thickness of frame and tyres.
        body: size of tank, engine and fairing. head: height of the handlebar.
        seat: height of the saddle, 0 for none. lift: of a rider above where they would walk.
    """

    radius: Range
    base: Range
    tube: Range
    body: Range
    head: Range
    seat: Range
    lift: float


MAKES = {
    BICYCLE: Make((0.17, 0.21), (0.27, 0.34), (0.008, 0.015), (0.0, 0.0), (0.5, 0.6), (0.48, 0.52), 0.06),
    MOTORCYCLE: Make(
        (0.16, 0.19), (0.34, 0.44), (0.024, 0.04), (0.07, 0.12), (0.5, 0.62), (0.42, 0.48), 0.02
    ),
    MOPED: Make((0.11, 0.14), (0.3, 0.38), (0.022, 0.034), (0.06, 0.1), (0.52, 0.62), (0.42, 0.46), 0.02),
    KICK: Make((0.055, 0.075), (0.25, 0.31), (0.012, 0.018), (0.0, 0.0), (0.58, 0.66), (0.0, 0.0), 0.06),
}


def draw_two_wheelers(dice: Dice, make: Tensor, yaw: Tensor, pace: Tensor) -> Solid:
    """Two-wheelers of (N,) `make`, `yaw` and `pace` (heights a second), in heights of their riders."""
    n = len(make)
    kit = Kit(dice, n, torch.arange(n, device=dice.device), yaw.sin()[:, None], yaw.cos()[:, None])
    ranges = torch.tensor([m[:6] for m in MAKES.values()], device=dice.device)[make]
    drawn = ranges[..., 0] + dice.unit(n, 6) * (ranges[..., 1] - ranges[..., 0])
    _Bike(kit, make[:, None], pace[:, None], *drawn[:, :, None].unbind(1)).paint()
    return Solid.of(kit.list)


def rider_of(make: Tensor) -> Tensor:
    """(N,) kinds of gait on two-wheelers of (N,) `make`."""
    return torch.tensor([RIDERS[name] for name in MAKES], device=make.device)[make]


def mount(bikes: Tensor, riders: Tensor, make: Tensor, parked: Tensor) -> Tensor:
    """(N, K, M1 + M2, FIELDS): riders (N, K, M2, FIELDS) lifted onto bikes (N, K, M1, FIELDS).

    Args:
        make: (N,) of the two-wheelers.
        parked: (N,) above 0 where there is no rider.
    """
    lifted = riders.clone()
    lift = torch.tensor([m.lift for m in MAKES.values()], device=make.device)[make]
    lifted[..., [Y1, Y2]] += lift[:, None, None, None]
    lifted[..., [R1, R2]] *= (parked == 0).float()[:, None, None, None]
    return torch.cat((bikes, lifted), 2)


class _Bike:
    def __init__(self, kit: Kit, make: Tensor, pace: Tensor, radius: Tensor, base: Tensor, tube: Tensor,
                 body: Tensor, head: Tensor, seat: Tensor) -> None:  # fmt: skip
        self.kit, self.make, self.pace, self.radius, self.base = kit, make, pace, radius, base
        self.tube, self.body, self.head, self.seat = tube, body, head, seat
        self.colour, self.rubber = kit.tone(0.05, 0.9), kit.tone(0.03, 0.2)
        self.pedalled = (make == BICYCLE).float()

    def paint(self) -> None:
        kit = self.kit
        rear, front = kit.at(-self.base, 0.0, self.radius), kit.at(self.base, 0.0, self.radius)
        for hub in (rear, front):
            self._wheel(hub)
        self._frame(rear, front)
        self._body()
        head = kit.at(self.base * 0.68, 0.0, self.head)
        grips = Point(head.x - 0.16 * kit.cos, self.head), Point(head.x + 0.16 * kit.cos, self.head + 0.01)
        kit.bar(*grips, 0.014, self.rubber)
        lamp = kit.at(self.base * 0.8, 0.0, self.head - 0.06)
        kit.bar(lamp, Point(lamp.x, lamp.y + 1e-3), 0.03 * (1 - self.pedalled), kit.tone(0.1, 1.2))

    def _wheel(self, hub: Point) -> None:
        """A tyre, and spokes or, on motorcycles, a disc that turn."""
        kit = self.kit
        squash = kit.foreshortening()
        tyre = (self.tube / self.radius).clamp_max(0.3) * self.radius
        high = Point(hub.x, hub.y + 1e-3)
        kit.list.add(hub, high, (self.radius, self.radius), self.rubber, stretch=1 / squash - 1, ring=tyre)
        edge_on = (kit.sin.abs() < 0.25).float() * self.radius * 0.9
        bar = Point(hub.x, hub.y - edge_on), Point(hub.x, hub.y + edge_on + 1e-3)
        kit.bar(*bar, self.tube * 1.3 * (edge_on > 0), self.rubber)
        disc = self.radius * 0.45 * (self.make == MOTORCYCLE)
        kit.list.add(hub, high, (disc, disc), self.rubber * 3, stretch=1 / squash - 1)
        rate, inner = self.pace / self.radius, self.radius - tyre
        kit.spokes(hub, inner, self.rubber * 2, rate, width=0.035, count=3)

    def _frame(self, rear: Point, front: Point) -> None:
        """A diamond on bicycles; a deck and a post on kick scooters; pedals that turn with the rider."""
        kit, tube = self.kit, self.tube
        kick = self.make == KICK
        deck = torch.where(kick, self.radius * 0.8, self.radius + 0.05)
        crank = kit.at(-0.05 * (~kick).float(), 0.0, deck)
        head = kit.at(self.base * torch.where(kick, 0.85, 0.72), 0.0, self.head - 0.03)
        low = kit.at(self.base * 0.78, 0.0, torch.where(kick, deck, self.head - 0.14))
        saddle = kit.at(-0.12, 0.0, self.seat)
        has_seat = (self.seat > 0).float()
        kit.bar(rear, crank, tube * 1.2, self.colour)
        kit.bar(front, head, tube * 1.2, self.colour)
        kit.bar(crank, low, tube * 1.3, self.colour)
        kit.bar(crank, saddle, tube * 1.2 * has_seat, self.colour)
        kit.bar(saddle, low, tube * 1.2 * has_seat, self.colour)
        back, nose = kit.at(-0.19, 0.0, self.seat), kit.at(-0.05, 0.0, self.seat)
        kit.bar(back, nose, 0.022 * has_seat, self.rubber)
        turn = Hinge(crank.x, crank.y, kit.foreshortening(), -7.0 * kit.sin.sign() * (self.pace > 0))
        for side in (-1.0, 1.0):
            pedal = Point(crank.x + side * 0.09 * kit.foreshortening(), crank.y)
            kit.bar(crank, pedal, 0.008 * self.pedalled, self.rubber, turn)

    def _body(self) -> None:
        """Engine, tank and seat of motorcycles; leg shield and tail of mopeds; a basket or a top case."""
        kit, moped = self.kit, (self.make == MOPED).float()
        engine = kit.at(-0.1, 0.0, self.radius + 0.06), kit.at(0.16, 0.0, self.radius + 0.1)
        kit.list.add(*engine, (self.body, self.body * 0.9), self.colour * 0.6, texture=0.2)
        tank = kit.at(-0.24, 0.0, self.seat - 0.04), kit.at(0.18, 0.0, self.seat + 0.02 - 0.1 * moped)
        kit.list.add(*tank, (self.body * 0.7, self.body * 0.9 * (1 - 0.7 * moped)), self.colour, shade=0.15)
        shield = kit.at(self.base * 0.55, 0.0, self.radius), kit.at(self.base * 0.66, 0.0, self.head - 0.04)
        wide = (0.05 + 0.07 * kit.cos.abs()) * moped
        kit.list.add(*shield, (wide, wide * 1.2), self.colour, shade=0.15)
        case = kit.chance(0.25) * (self.seat > 0) * kit.range(0.05, 0.09)
        place = kit.at(-0.24, 0.0, self.seat)
        box = place, Point(place.x, self.seat + 1.6 * case)
        kit.list.add(*box, (case, case), kit.tone(), flat=1.0)
