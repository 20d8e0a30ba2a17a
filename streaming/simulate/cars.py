"""Cars, vans, buses and lorries: boxes in space, seen in perspective from wherever the camera stands.

A body has a cabin on top; both are drawn as faces, far ones first, so that what shows of a bonnet or a roof
is the top of the far side. Wheels are ellipses whose spokes turn as fast as the vehicle rolls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from streaming.simulate.noise import Dice, Range
from streaming.simulate.parts import LEVEL, UPRIGHT, Pattern, Point, Value
from streaming.simulate.solids import Kit, Solid

Size = TypeVar("Size")

HATCHBACK, SALOON, ESTATE, VAN, BUS, LORRY = range(6)
CAR_WEIGHTS, LORRY_WEIGHTS = (0.3, 0.3, 0.22, 0.18), (0.0, 0.0, 0.0, 0.0, 0.5, 0.5)
NEAREST = 0.35
"""Share of a vehicle's distance that its nearest corner is away at least."""


class Build(NamedTuple, Generic[Size]):
    """Ranges of one kind of vehicle, or measures (N, 1) of vehicles of all kinds.

    Lengths are in heights of the vehicle, places along it from -1 (rear) to 1 (front).

    Attributes:
        half_length, half_width: of the body.
        belt: height of the body under the windows.
        rear, front: where the cabin ends at the belt; rear_slope, front_slope: how much sooner its roof ends.
        inset: how much narrower the roof is.
        glass_rear, glass_front: where the side windows end.
        panes: side windows between pillars, 0 for one door pillar.
        radius: of wheels. height_m: of the vehicle.
    """

    half_length: Size
    half_width: Size
    belt: Size
    rear: Size
    front: Size
    rear_slope: Size
    front_slope: Size
    inset: Size
    glass_rear: Size
    glass_front: Size
    panes: Size
    radius: Size
    height_m: Size


BUILDS: dict[int, Build[Range]] = {
    HATCHBACK: Build(
        (1.2, 1.45), (0.55, 0.62), (0.54, 0.62), (-0.99, -0.9), (0.4, 0.52), (0.05, 0.25), (0.3, 0.45),
        (0.12, 0.22), (-0.85, -0.75), (0.3, 0.4), (0, 0), (0.19, 0.22), (1.42, 1.6),
    ),
    SALOON: Build(
        (1.5, 1.75), (0.57, 0.64), (0.56, 0.63), (-0.75, -0.62), (0.32, 0.45), (0.22, 0.35), (0.28, 0.42),
        (0.14, 0.24), (-0.6, -0.5), (0.2, 0.3), (0, 0), (0.2, 0.23), (1.38, 1.5),
    ),
    ESTATE: Build(
        (1.3, 1.5), (0.53, 0.6), (0.52, 0.6), (-0.99, -0.95), (0.38, 0.5), (0.03, 0.15), (0.2, 0.35),
        (0.08, 0.18), (-0.88, -0.8), (0.28, 0.38), (0, 0), (0.19, 0.24), (1.5, 1.85),
    ),
    VAN: Build(
        (1.05, 1.35), (0.44, 0.5), (0.48, 0.56), (-1, -0.98), (0.62, 0.85), (0.0, 0.04), (0.12, 0.3),
        (0.03, 0.1), (-0.9, 0.35), (0.55, 0.65), (0, 0), (0.13, 0.18), (1.9, 2.3),
    ),
    BUS: Build(
        (1.6, 2.0), (0.4, 0.44), (0.42, 0.5), (-1, -0.99), (0.97, 1.0), (0.0, 0.01), (0.0, 0.03),
        (0.01, 0.03), (-0.95, -0.9), (0.88, 0.94), (4, 8), (0.14, 0.17), (2.9, 3.3),
    ),
    LORRY: Build(
        (1.0, 1.5), (0.36, 0.42), (0.3, 0.36), (-1, -0.99), (0.94, 1.0), (0.0, 0.0), (0.0, 0.03),
        (0.0, 0.02), (0.72, 0.78), (0.92, 0.96), (0, 0), (0.13, 0.17), (2.8, 3.6),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Stand:
    """From where vehicles are seen, each (N,).

    Attributes:
        yaw: 0 from behind, pi / 2 heading to the right.
        away: distance, and eye: height of the camera above the ground; both in heights of the vehicle.
        pace: heights a second.
    """

    yaw: Tensor
    away: Tensor
    eye: Tensor
    pace: Tensor


def draw_height_m(dice: Dice, build: Tensor) -> Tensor:
    """(N,) metres of vehicles of (N,) `build`."""
    ranges = torch.tensor([b.height_m for b in BUILDS.values()], device=build.device)[build]
    return ranges[:, 0] + dice.unit(len(build)) * (ranges[:, 1] - ranges[:, 0])


def draw_cars(dice: Dice, build: Tensor, stand: Stand) -> Solid:
    """Vehicles of (N,) `build`, HATCHBACK to LORRY, in their own heights."""
    car = _Car(dice, build, stand)
    car.paint()
    return Solid.of(car.kit.list)


class _Car:
    """Places: `along` -1 rear to 1 front, `across` -1 left to 1 right, `up` in heights."""

    def __init__(self, dice: Dice, build: Tensor, stand: Stand) -> None:
        n, yaw = len(build), stand.yaw[:, None]
        self.kit = Kit(dice, n, torch.arange(n, device=dice.device), yaw.sin(), yaw.cos())
        ranges = torch.tensor(list(BUILDS.values()), device=dice.device)[build]  # (N, traits, 2)
        drawn = ranges[..., 0] + dice.unit(n, ranges.shape[1]) * (ranges[..., 1] - ranges[..., 0])
        self.is_a: Build[Tensor] = Build(*drawn[:, :, None].unbind(1))
        self.away, self.eye, self.pace = (v[:, None] for v in (stand.away, stand.eye, stand.pace))
        self.near_side = torch.sign(self.kit.sin + 1e-6)
        self.near_end = -torch.sign(self.kit.cos + 1e-6)
        self.paint_, self.glass = self.kit.tone(), self.kit.tone(0.03, 0.5)
        self.box = torch.where((build == LORRY)[:, None], self.kit.tone(), self.paint_)
        self.tyre, self.rim = self.kit.tone(0.02, 0.1), self.kit.tone(0.1, 0.8)
        self.end_light, self.top_light = self.kit.range(0.6, 1.3), self.kit.range(0.9, 1.5)

    def spot(self, along: Value, across: Value, up: Value) -> Point:
        """Where a place is seen."""
        aside, ahead = across * self.is_a.half_width, along * self.is_a.half_length
        near = aside * self.kit.sin - ahead * self.kit.cos
        size = self.away / (self.away - near).maximum(NEAREST * self.away)
        x = (aside * self.kit.cos + ahead * self.kit.sin) * size
        return Point(x, self.eye + (up - self.eye) * size)

    def _pane(self, a: tuple[Value, Value], b: tuple[Value, Value], heights: tuple[Value, Value], tone: Value,
              pattern: Pattern | None = None) -> None:  # fmt: skip
        """An upright face between the verticals at places a and b (along, across)."""
        low, high = heights
        edges = [(self.spot(*place, low), self.spot(*place, high)) for place in (a, b)]
        (start, r1), (end, r2) = ((_middle(low_, high_), (high_.y - low_.y) / 2) for low_, high_ in edges)
        seen = (_across(start, end) > 0.02).float()
        self.kit.list.add(
            start, end, (r1 * seen, r2 * seen), tone, flat=UPRIGHT, texture=0.05, pattern=pattern
        )

    def _slope(
        self, base: tuple[Point, Point], roof: tuple[Point, Point], tone: Value, keep: Value = 1.0
    ) -> None:
        """A face between two level edges."""
        r1, r2 = (_across(*edge) / 2 * keep for edge in (base, roof))
        self.kit.list.add(_middle(*base), _middle(*roof), (r1, r2), tone, flat=LEVEL, texture=0.05)

    def paint(self) -> None:
        ground = [self.spot(along, self.near_side, 0.06) for along in (-0.97, 0.97)]
        self.kit.bar(ground[0], ground[1], 0.055, self.tyre)
        ground = [self.spot(self.near_end, across, 0.06) for across in (-0.95, 0.95)]
        self.kit.bar(ground[0], ground[1], 0.055, self.tyre)
        for along in (-0.62, 0.62):
            self._tyre(along, -self.near_side)
        top, end = self.box * self.top_light, self.box * self.end_light
        body = (0.13, self.is_a.belt)
        self._pane((-1, -self.near_side), (1, -self.near_side), body, top)
        self._pane((-self.near_end, -1), (-self.near_end, 1), body, top)
        self._cabin_side(-self.near_side, top)
        self._pane((self.near_end, -1), (self.near_end, 1), body, end)
        self._pane((-1, self.near_side), (1, self.near_side), body, self.box)
        self._cabin(end)
        self._flank()
        self._end()

    def _cabin_side(self, side: Tensor, tone: Value) -> None:
        b = self.is_a
        width = 1 - b.inset
        base = self.spot(b.rear, side * 0.97, b.belt - 0.02), self.spot(b.front, side * 0.97, b.belt - 0.02)
        rear, front = b.rear + b.rear_slope, b.front - b.front_slope
        roof = self.spot(rear, side * width, 1.0), self.spot(front, side * width, 1.0)
        self._slope(base, roof, tone)

    def _cabin(self, end: Value) -> None:
        b = self.is_a
        width = 1 - b.inset
        faces_us = self.near_end > 0
        low = torch.where(faces_us, b.front, b.rear)
        high = torch.where(faces_us, b.front - b.front_slope, b.rear + b.rear_slope)
        base = self.spot(low, -0.97, b.belt - 0.02), self.spot(low, 0.97, b.belt - 0.02)
        roof = self.spot(high, -width, 1.0), self.spot(high, width, 1.0)
        self._slope(base, roof, end)
        inner = self.spot(low + 0.1 * (high - low), -0.9, b.belt + 0.03), self.spot(low, 0.9, b.belt + 0.03)
        upper = self.spot(high, -width * 0.88, 0.93), self.spot(high, width * 0.88, 0.93)
        has = (faces_us | (b.glass_rear < 0.3)).float()
        self._slope(inner, upper, self.glass, has)
        self._cabin_side(self.near_side, self.box)
        side = self.near_side * 0.96
        sill = b.belt + 0.03
        low_glass = self.spot(b.glass_rear, side, sill), self.spot(b.glass_front, side, sill)
        rear, front = b.glass_rear + 0.7 * b.rear_slope, b.glass_front - 0.8 * b.front_slope
        high_glass = (
            self.spot(rear, self.near_side * width, 0.92),
            self.spot(front, self.near_side * width, 0.92),
        )
        boxy = (b.panes == 0).float()
        self._slope(low_glass, high_glass, self.glass, boxy)
        self._windows(boxy)

    def _windows(self, boxy: Tensor) -> None:
        """A door pillar in short side windows; a row of panes along those of a bus."""
        b = self.is_a
        middle = (b.glass_rear + b.glass_front) / 2
        foot = self.spot(middle, self.near_side * 0.96, b.belt)
        head = self.spot(middle, self.near_side * (1 - b.inset), 0.95)
        self.kit.list.add(foot, head, (0.03 * self._side_on(), 0.025 * self._side_on()), self.box)
        left, right = self.spot(b.glass_rear, self.near_side, 0), self.spot(b.glass_front, self.near_side, 0)
        period = _across(left, right) / b.panes.clamp_min(1)
        row = Pattern(period * (1 - boxy), 0.0, 0.12, 1.0, self.box)
        sill = b.belt + 0.03 + boxy
        self._pane(
            (b.glass_rear, self.near_side), (b.glass_front, self.near_side), (sill, sill + 0.38 * (1 - boxy)),
            self.glass, row,
        )  # fmt: skip

    def _side_on(self) -> Tensor:
        return (self.kit.sin.abs() > 0.15).float()

    def _flank(self) -> None:
        b = self.is_a
        seen, side = self._side_on(), self.near_side
        for along in (-0.62, 0.62):
            self._tyre(along, side, arch=1.2)
            self._tyre(along, side)
            self._rim(along, side)
        for along in (-0.96, 0.96):
            lamp = self.spot(along, side, b.belt - 0.1)
            self.kit.bar(lamp, Point(lamp.x, lamp.y + 1e-3), 0.035 * seen, self.kit.tone(0.1, 1.2))
        sill = self.spot(-0.9, side, b.belt * 0.62), self.spot(0.9, side, b.belt * 0.62)
        self.kit.bar(*sill, 0.011 * seen, self.box * 0.5)
        for along in (-0.35, 0.08):
            self.kit.bar(
                self.spot(along, side, 0.2), self.spot(along, side, b.belt), 0.008 * seen, self.box * 0.6
            )

    def _tyre(self, along: float, across: Tensor, arch: float = 1.0) -> None:
        """A tyre or, larger, the dark arch around it."""
        radius = self.is_a.radius
        hub, top = self.spot(along, across, radius), self.spot(along, across, 2 * radius)
        seen = (top.y - hub.y) * arch * self._side_on()
        stretch = 1 / self.kit.foreshortening() - 1
        tone = self.tyre * (1.0 if arch == 1 else 0.6)
        self.kit.list.add(hub, Point(hub.x, hub.y + 1e-3), (seen, seen), tone, stretch=stretch)

    def _rim(self, along: float, across: Tensor) -> None:
        radius = self.is_a.radius
        hub, top = self.spot(along, across, radius), self.spot(along, across, 1.62 * radius)
        seen = (top.y - hub.y) * self._side_on()
        stretch = 1 / self.kit.foreshortening() - 1
        self.kit.list.add(hub, Point(hub.x, hub.y + 1e-3), (seen, seen), self.rim, stretch=stretch)
        self.kit.spokes(hub, seen * 0.95, self.tyre, self.pace / radius, width=0.12, count=3)

    def _end(self) -> None:
        """Lamps, number plate, radiator or boot line, and the tyres under the bumper."""
        b, end = self.is_a, self.near_end
        seen = (self.kit.cos.abs() > 0.3).float()
        lamp = self.kit.tone(0.05, 1.2)
        for across in (-0.78, 0.78):
            left, right = (
                self.spot(end, across - 0.15, b.belt - 0.1),
                self.spot(end, across + 0.15, b.belt - 0.1),
            )
            self.kit.bar(left, right, 0.04 * seen, lamp, flat=1.0)
            left, right = self.spot(end, across - 0.1, 0.07), self.spot(end, across + 0.1, 0.07)
            self.kit.bar(left, right, 0.07 * seen, self.tyre, flat=1.0)
        plate = self.spot(end, -0.32, 0.3), self.spot(end, 0.32, 0.3)
        self.kit.bar(*plate, 0.05 * seen, self.kit.tone(0.05, 1.0), flat=1.0)
        line = self.spot(end, -0.95, 0.2), self.spot(end, 0.95, 0.2)
        self.kit.bar(*line, 0.02 * seen, self.tyre)


def _middle(a: Point, b: Point) -> Point:
    return Point((a.x + b.x) / 2, (a.y + b.y) / 2)


def _across(a: Point, b: Point) -> Tensor:
    """How far apart two places are sideways."""
    return torch.as_tensor(b.x - a.x).abs()
