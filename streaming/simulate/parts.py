"""Parts: the one primitive everything solid is painted with.

A part is a tapered capsule or, with flat ends, a trapezoid, along an axis from (x1, y1) to (x2, y2) with half
widths r1 and r2. It has a tone (linear intensity, about 0.02 to 1), texture, lateral shading, and optionally
a repeated pattern in a second tone (windows, stripes) or of holes (fences). A part with `stretch` s is
1 / (1 + s) as wide across its axis as its radii say: a wheel seen at an angle. `loose` is the share of a part
that the object's box leaves out: 0 for the body, 1 for what is carried. `PartList` collects parts of many
objects at many times; the result is a (N, K, M, FIELDS) tensor ordered from far to near.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

X1, Y1, X2, Y2, R1, R2, FLAT, RING, TONE, TEXTURE, SHADE, ROUGH, PERIOD_U, PERIOD_V, DUTY_U, DUTY_V, TONE2 = (
    range(17)
)
STRETCH, LOOSE = 17, 18
FIELDS = 19

LEVEL, UPRIGHT = 2.0, 3.0
"""Values of FLAT beside 0 (round ends) and 1 (ends square to the axis): ends that lie or stand on the screen,
however the axis leans. Faces of boxes are such."""

HOLE = -1.0
"""A pattern tone that means: nothing here, what lies behind shows through."""

Value: TypeAlias = Tensor | float


class Point(NamedTuple):
    """Object coordinates: x to the right on the screen, y up; unit = height of the object."""

    x: Value
    y: Value


class Pattern(NamedTuple):
    """A grid repeated along the axis (u) and across it (v).

    Attributes:
        period_u, period_v: length of one repeat, same unit as the points; 0 along one side: no repeat there.
        duty_u, duty_v: share of a repeat that carries `tone`.
        tone: linear intensity, or HOLE.
    """

    period_u: Value
    period_v: Value
    duty_u: Value
    duty_v: Value
    tone: Value


class Hinge(NamedTuple):
    """What a part turns about, counter-clockwise on the screen.

    Attributes:
        x, y: the pivot, same unit as the points.
        squash: width of its circle against the height: 1 seen squarely, towards 0 edge-on.
        rate: steady turn, radians a second.
        swing: radians to each side, to and fro; omega, phase: how fast (radians a second) and from where.
    """

    x: Value
    y: Value
    squash: Value = 1.0
    rate: Value = 0.0
    swing: Value = 0.0
    omega: Value = 0.0
    phase: Value = 0.0


@dataclass
class PartList:
    """Collects parts of `objects` objects at `times` times; every value broadcasts to (objects, times)."""

    objects: int
    times: int
    device: torch.device
    rows: list[dict[int, Value]] = field(default_factory=list)
    depths: list[Value] = field(default_factory=list)
    hinges: list[Hinge | None] = field(default_factory=list)

    def add(
        self,
        start: Point,
        end: Point,
        radii: tuple[Value, Value],
        tone: Value,
        *,
        depth: Value = 0.0,
        texture: Value = 0.0,
        shade: Value = 0.0,
        flat: Value = 0.0,
        ring: Value = 0.0,
        rough: Value = 0.0,
        stretch: Value = 0.0,
        loose: Value = 0.0,
        pattern: Pattern | None = None,
        hinge: Hinge | None = None,
    ) -> None:
        """One part a row; a part whose radii are both 0 is not painted. Larger `depth` lies nearer."""
        row: dict[int, Value] = {
            X1: start.x, Y1: start.y, X2: end.x, Y2: end.y, R1: radii[0], R2: radii[1],
            FLAT: flat, RING: ring, TONE: tone, TEXTURE: texture, SHADE: shade, ROUGH: rough,
            STRETCH: stretch, LOOSE: loose,
        }  # fmt: skip
        if pattern is not None:
            row |= dict(zip((PERIOD_U, PERIOD_V, DUTY_U, DUTY_V, TONE2), pattern, strict=True))
        self.rows.append(row)
        self.depths.append(depth)
        self.hinges.append(hinge)

    def stack(self, *, by_depth: bool = False) -> Tensor:
        """(objects, times, M, FIELDS) float32, in the order added or, `by_depth`, from far to near."""
        parts = torch.zeros(self.objects, self.times, len(self.rows), FIELDS, device=self.device)
        for index, row in enumerate(self.rows):
            for column, value in row.items():
                if isinstance(value, Tensor) or value != 0.0:
                    parts[:, :, index, column] = value
        return self._sorted(parts) if by_depth else parts

    def _sorted(self, parts: Tensor) -> Tensor:
        depth = torch.zeros(parts.shape[:3], device=self.device)
        for index, value in enumerate(self.depths):
            depth[:, :, index] = value
        order = depth.argsort(dim=2, stable=True)
        return parts.gather(2, order[..., None].expand_as(parts))
