"""Cars seen from any side, and two-wheelers under their riders, as parts."""

from __future__ import annotations

import torch
from torch import Tensor

from streaming.simulate.noise import Dice, columns
from streaming.simulate.parts import Y1, Y2, PartList, Point

HUB = 0.18
"""How far a car's wheels turn above the ground, in car heights."""
SADDLE = 0.06
"""How far a rider sits above where they would walk, in body heights."""


def draw_cars(dice: Dice, yaw: Tensor) -> Tensor:
    """(N, 1, M, FIELDS) parts of cars in car heights; `yaw` (N,) is 0 from behind, pi / 2 from the side."""
    n = len(yaw)
    car = _Car(dice, n, *columns(yaw.sin(), yaw.cos()))
    car.paint()
    return car.list.stack()


class _Car:
    """A box of two visible faces: the flank, foreshortened by sin(yaw), and the end, by cos(yaw)."""

    def __init__(self, dice: Dice, n: int, sin: Tensor, cos: Tensor) -> None:
        self.dice, self.n = dice, n
        self.list = PartList(n, 1, dice.device)
        self.body, self.glass = self._tone(0.04, 1.0), self._tone(0.03, 0.5)
        self.tyre, self.rim, self.lamp = self._tone(0.02, 0.12), self._tone(0.1, 0.8), self._tone(0.05, 1.2)
        self.van = self._column(dice.chance(n, 0.25))
        self.flank = self._range(1.2, 1.55) * sin.abs()
        self.end = self._range(0.58, 0.66) * cos.abs()
        facing = torch.sign(sin * cos + 1e-6)
        self.x_flank, self.x_end = -facing * self.end, facing * self.flank
        self.sin, self.front = sin, torch.sign(sin + 1e-6)
        self.belt = self._range(0.52, 0.62)
        self.end_shade = self._range(0.6, 1.3)

    def _column(self, value: Tensor) -> Tensor:
        return value[:, None]

    def _tone(self, low: float, high: float) -> Tensor:
        return self._column(self.dice.log_uniform(self.n, low, high))

    def _range(self, low: float, high: float) -> Tensor:
        return self._column(self.dice.uniform(self.n, low, high))

    def _slab(
        self, x: Tensor, low: Tensor | float, high: Tensor | float, radii: tuple[Tensor, Tensor], tone: Tensor
    ) -> None:
        self.list.add(Point(x, low), Point(x, high), radii, tone, flat=1.0, texture=0.06)

    def paint(self) -> None:
        shadow = (self.flank + self.end) * 0.95
        self._slab(torch.zeros_like(shadow), 0.03, 0.1, (shadow, shadow * 0.95), self.tyre * 0.7)
        self._cabin()
        self._slab(self.x_flank, 0.14, self.belt, (self.flank, self.flank * 0.97), self.body)
        self._slab(self.x_end, 0.14, self.belt, (self.end, self.end * 0.97), self.body * self.end_shade)
        self._flank_details()
        self._end_details()

    def _cabin(self) -> None:
        """Roof and windows: a greenhouse set back on cars, over the whole length on vans."""
        base = torch.where(self.van > 0, 0.95 * torch.ones_like(self.body), self._range(0.6, 0.78))
        roof = base * torch.where(self.van > 0, 0.92 * torch.ones_like(self.body), self._range(0.62, 0.85))
        shift = self.x_flank - self.front * self.flank * self._range(-0.02, 0.16) * (1 - self.van)
        end_roof = self.end * self._range(0.78, 0.9)
        slant = self.x_end * torch.where(
            self.van > 0, 0.93 * torch.ones_like(self.body), self._range(0.6, 0.8)
        )
        low = self.belt - 0.02
        self._slab(slant, low, 0.99, (self.end * 0.94, end_roof), self.body * self.end_shade)
        self._slab(slant, self.belt + 0.03, 0.92, (self.end * 0.85, end_roof * 0.9), self.glass)
        self._slab(shift, low, 0.99, (self.flank * base, self.flank * roof), self.body * 0.95)
        window = (self.flank * base * 0.9, self.flank * roof * 0.88)
        self._slab(shift, self.belt + 0.03, 0.93, window, self.glass)
        pillar = 0.035 * self.sin.abs()
        self._slab(shift + 0.05 * self.sin, self.belt, 0.95, (pillar, pillar), self.body)

    def _flank_details(self) -> None:
        radius = self._range(0.17, 0.2)
        seen = (self.sin.abs() > 0.2).float()
        for side in (-1.0, 1.0):
            x = self.x_flank + side * self.flank * 0.64
            self._wheel(x, radius, radius * self.sin.abs().clamp_min(0.3) * seen, self.tyre)
            self._wheel(x, radius * 0.6, radius * 0.6 * self.sin.abs() * seen, self.rim)
            lamp = (0.04 * self.sin.abs() * seen, 0.04 * self.sin.abs() * seen)
            at = self.x_flank + side * self.flank * 0.92
            self._slab(at, self.belt - 0.14, self.belt - 0.06, lamp, self.lamp)
        line = (
            Point(self.x_flank - self.flank * 0.95, self.belt * 0.72),
            Point(self.x_flank + self.flank * 0.95, self.belt * 0.72),
        )
        self.list.add(*line, (0.012 * seen, 0.012 * seen), self.tyre)

    def _wheel(self, x: Tensor, up: Tensor, half_width: Tensor, tone: Tensor) -> None:
        """A disc seen at an angle: a capsule on end, as high as the wheel and as wide as it looks."""
        tall = (up - half_width).clamp_min(0.001)
        self.list.add(Point(x, HUB - tall), Point(x, HUB + tall), (half_width, half_width), tone)

    def _end_details(self) -> None:
        seen = (self.end > 0.2).float()
        for side in (-1.0, 1.0):
            at = self.x_end + side * self.end * 0.78
            width = 0.18 * self.end * seen
            self._slab(at, self.belt - 0.14, self.belt - 0.05, (width, width), self.lamp)
            tyre = 0.1 * seen * (self.sin.abs() < 0.5)
            self._wheel(self.x_end + side * self.end * 0.84, torch.full_like(at, 0.17), tyre, self.tyre)
        plate = 0.36 * self.end * seen
        self._slab(self.x_end, 0.24, 0.36, (plate, plate), self._tone(0.05, 1.0))


def draw_two_wheelers(dice: Dice, yaw: Tensor) -> Tensor:
    """(N, 1, M, FIELDS) parts of bicycles and motorcycles in rider heights; `yaw` as of their riders."""
    n = len(yaw)
    bike = PartList(n, 1, dice.device)
    (along,) = columns(yaw.sin())
    seen = torch.sign(along + 1e-6) * along.abs().clamp_min(0.12)
    motor, solid, fairing = columns(dice.chance(n, 0.4), dice.chance(n, 0.3), dice.chance(n, 0.4) * 0.09)
    tube = torch.where(
        motor > 0, dice.uniform(n, 0.03, 0.05)[:, None], dice.uniform(n, 0.008, 0.016)[:, None]
    )
    radius, base, paint, rubber = columns(
        dice.uniform(n, 0.17, 0.21), dice.uniform(n, 0.27, 0.36), dice.log_uniform(n, 0.05, 0.9),
        dice.log_uniform(n, 0.03, 0.2),
    )  # fmt: skip
    for side in (-1.0, 1.0):
        _bike_wheel(bike, side * base * seen, radius, seen.abs(), tube, solid, rubber)
    crank, head, saddle = (
        Point(-0.05 * seen, radius + 0.05),
        Point(base * 0.75 * seen, radius + 0.27),
        Point(-0.12 * seen, radius + 0.28),
    )
    rear, front = Point(-base * seen, radius), Point(base * seen, radius)
    for start, end in ((crank, head), (crank, saddle), (saddle, head), (rear, crank), (front, head)):
        bike.add(start, end, (tube * 1.2, tube * 1.2), paint)
    bar = Point(head.x - 0.03, radius + 0.30), Point(head.x + 0.03, radius + 0.31)
    bike.add(*bar, (0.02, 0.02), rubber)
    body = Point(-0.16 * seen, radius + 0.14), Point(0.2 * seen, radius + 0.14)
    bike.add(*body, (fairing * motor, fairing * motor * 0.9), paint, texture=0.1)
    return bike.stack()


def _bike_wheel(
    bike: PartList, x: Tensor, radius: Tensor, seen: Tensor, tube: Tensor, solid: Tensor, tone: Tensor
) -> None:
    """A ring from the side; from the front an upright bar."""
    narrow = (seen < 0.45).float()
    tall = narrow * (radius - tube * 1.6)
    half_width = torch.where(narrow > 0, tube * 1.6, radius)
    ring = tube * (1 - narrow) * (1 - solid)
    low, high = Point(x, radius - tall - 0.001), Point(x, radius + tall + 0.001)
    bike.add(low, high, (half_width, half_width), tone, ring=ring)


def mount(bikes: Tensor, riders: Tensor) -> Tensor:
    """(N, K, M1 + M2, FIELDS): riders (N, K, M2, FIELDS) lifted onto bikes (N, 1, M1, FIELDS)."""
    lifted = riders.clone()
    lifted[..., [Y1, Y2]] += SADDLE
    return torch.cat((bikes.expand(-1, riders.shape[1], -1, -1), lifted), 2)
