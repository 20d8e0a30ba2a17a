"""Solids: objects of parts that stay as they are, but for those that turn on hinges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from streaming.simulate.noise import Dice
from streaming.simulate.parts import FIELDS, X1, X2, Y1, Y2, Hinge, PartList, Point, Value

SWAY_PERIOD_S = 60
"""Everything that sways is back where it was after this time."""

HINGE_FIELDS = len(Hinge._fields)


@dataclass(frozen=True)
class Solid:
    """N objects.

    Attributes:
        parts: (N, M, FIELDS) at time 0.
        hinges: (N, M, HINGE_FIELDS); all 0 for parts that do not turn.
    """

    parts: Tensor
    hinges: Tensor

    @classmethod
    def of(cls, parts: PartList) -> Solid:
        """The objects of a list made for one time."""
        hinges = torch.zeros(parts.objects, len(parts.hinges), HINGE_FIELDS, device=parts.device)
        for index, hinge in enumerate(parts.hinges):
            for column, value in enumerate(hinge or ()):
                hinges[:, index, column] = value[:, 0] if isinstance(value, Tensor) else value
        return cls(parts.stack()[:, 0], hinges)

    def at(self, t_s: Tensor) -> Tensor:
        """(N, K, M, FIELDS) parts at (N, K) seconds."""
        pivot_x, pivot_y, squash, rate, swing, omega, phase = self.hinges[:, None].unbind(-1)
        time = t_s[..., None]
        angle = rate * time + swing * (omega * time + phase).sin()
        cos, sin = angle.cos(), angle.sin()
        turned = self.parts[:, None].repeat(1, t_s.shape[1], 1, 1)
        wide = torch.where(squash > 0, squash, 1.0)
        for x, y in ((X1, Y1), (X2, Y2)):
            right, up = (turned[..., x] - pivot_x) / wide, turned[..., y] - pivot_y
            turned[..., x] = pivot_x + (right * cos - up * sin) * wide
            turned[..., y] = pivot_y + right * sin + up * cos
        return turned


def gather_solids(members: Sequence[Solid]) -> Solid:
    """All `members` in a row, padded with parts of radius 0."""
    return Solid(_padded([m.parts for m in members]), _padded([m.hinges for m in members]))


def _padded(tensors: list[Tensor]) -> Tensor:
    most = max(tensor.shape[1] for tensor in tensors)
    padded = [torch.nn.functional.pad(tensor, (0, 0, 0, most - tensor.shape[1])) for tensor in tensors]
    return torch.cat(padded)


@dataclass
class Kit:
    """Builds `n` objects of one kind, whose measures all differ. Measures are (n, 1).

    Attributes:
        dice, n: chance, and how many.
        rows: (n,) int64, their places among all objects drawn together.
        sin, cos: (n, 1) of where they face; 0 faces away from the camera, pi / 2 to the right.
    """

    dice: Dice
    n: int
    rows: Tensor
    sin: Tensor
    cos: Tensor
    list: PartList = field(init=False)

    def __post_init__(self) -> None:
        self.list = PartList(self.n, 1, self.dice.device)

    def tone(self, low: float = 0.04, high: float = 1.0) -> Tensor:
        return self.log_range(low, high)

    def range(self, low: float, high: float) -> Tensor:
        return self.dice.uniform(self.n, low, high)[:, None]

    def log_range(self, low: float, high: float) -> Tensor:
        return self.dice.log_uniform(self.n, low, high)[:, None]

    def chance(self, probability: float) -> Tensor:
        return self.dice.chance(self.n, probability)[:, None]

    def at(self, ahead: Value, right: Value, up: Value) -> Point:
        """Where a place of the object's own frame is seen."""
        return Point(right * self.cos + ahead * self.sin, up)

    def bar(
        self,
        start: Point,
        end: Point,
        radius: Value,
        tone: Value,
        hinge: Hinge | None = None,
        flat: Value = 0.0,
    ) -> None:
        """A straight bar of one thickness."""
        self.list.add(start, end, (radius, radius), tone, hinge=hinge, flat=flat)

    def wheel(self, at: Point, radius: Tensor, tone: Value, rate: Value = 0.0, *, spokes: int = 2) -> None:
        """A wheel in the plane of the object's heading: a tyre, and spokes across it that turn.

        Args:
            at: hub.
            radius: outer one.
            tone: of the rubber.
            rate: radians a second of a wheel that rolls ahead.
            spokes: diameters.
        """
        stretch = 1 / self.foreshortening() - 1
        low, high = Point(at.x, at.y - 1e-3), Point(at.x, at.y + 1e-3)
        self.list.add(low, high, (radius, radius), tone, stretch=stretch, ring=0.09 * radius)
        self.spokes(at, radius * 0.9, tone, rate, width=0.05, count=spokes)

    def spokes(
        self, at: Point, radius: Tensor, tone: Value, rate: Value, *, width: float, count: int
    ) -> None:
        """`count` diameters of a wheel, `width` of its radius thick, see `wheel`."""
        squash = self.foreshortening()
        hinge = Hinge(at.x, at.y, squash, -rate * torch.sign(self.sin))
        first = self.range(0, 3)
        for index in range(count):
            angle = first + index * (torch.pi / count)
            x, y = angle.cos() * squash * radius, angle.sin() * radius
            self.bar(Point(at.x - x, at.y - y), Point(at.x + x, at.y + y), width * radius, tone, hinge)

    def foreshortening(self) -> Tensor:
        """(n, 1) width against height of a circle in the plane of the heading."""
        return self.sin.abs().clamp_min(0.2)

    def sway(self, x: Value, y: Value, low: float, high: float, phase: Value = 0.0) -> Hinge:
        """A hinge in the wind; `low`..`high` radians to each side, 0.3 to 2.5 times a second."""
        turns = self.range(0.3 * SWAY_PERIOD_S, 2.5 * SWAY_PERIOD_S).round()
        omega = turns * (2 * torch.pi / SWAY_PERIOD_S)
        return Hinge(x, y, 1.0, 0.0, self.range(low, high), omega, phase)


def draw_by_kind(dice: Dice, kind: Tensor, yaw: Tensor, painters: Sequence[Callable[[Kit], None]]) -> Solid:
    """Objects of (N,) `kind`, facing (N,) `yaw`, each kind built by its painter; in the order of `kind`."""
    solids, rows = [_nothing(dice)], []
    for name, painter in enumerate(painters):
        members = (kind == name).nonzero()[:, 0]
        if len(members):
            facing = yaw[members][:, None]
            kit = Kit(dice, len(members), members, facing.sin(), facing.cos())
            painter(kit)
            solids.append(Solid.of(kit.list))
            rows.append(members)
    together = gather_solids(solids)
    place = torch.cat(rows).argsort() if rows else kind
    return Solid(together.parts[place], together.hinges[place])


def _nothing(dice: Dice) -> Solid:
    """No object, of one part."""
    return Solid(
        torch.zeros(0, 1, FIELDS, device=dice.device), torch.zeros(0, 1, HINGE_FIELDS, device=dice.device)
    )
