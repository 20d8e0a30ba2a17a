"""`Area`: a polygon that boxes are asked for by, as SQL."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, case, literal

from service.store.tables import detections


@dataclass(frozen=True, slots=True)
class Area:
    """Part of the picture.

    Attributes:
        points: corners in order, sensor pixels, three or more; the last is joined to the first.
        anchor: the point of a box that counts: the middle of its lower edge, or its centre.
    """

    points: tuple[tuple[float, float], ...]
    anchor: Literal["bottom", "centre"] = "bottom"

    def holds(self) -> ColumnElement[bool]:
        """Whether a row of `detections` lies within, by the even-odd rule."""
        x, y = self._anchor()
        (left, top), (right, bottom) = (
            tuple(f(c) for c in zip(*self.points, strict=True)) for f in (min, max)
        )
        edges = pairwise((*self.points, self.points[0]))
        crossed: list[ColumnElement[Any]] = [
            _crosses(x, y, *edge) for edge in edges if edge[0][1] != edge[1][1]
        ]
        odd = reduce(add, crossed, literal(0)) % 2 == 1
        return and_(x.between(left, right), y.between(top, bottom), odd)

    def _anchor(self) -> tuple[ColumnElement[float], ColumnElement[float]]:
        c = detections.c
        x = (c.left_cpx + c.right_cpx) * literal(0.005)
        centre = (c.top_cpx + c.bottom_cpx) * literal(0.005)
        return x, c.bottom_cpx * literal(0.01) if self.anchor == "bottom" else centre


def _crosses(
    x: ColumnElement[float], y: ColumnElement[float], a: tuple[float, float], b: tuple[float, float]
) -> ColumnElement[int]:
    """1 where the ray from (x, y) to the left passes the edge from `a` to `b`, else 0."""
    lower, upper = sorted((a, b), key=lambda point: point[1])
    slope = (upper[0] - lower[0]) / (upper[1] - lower[1])
    beyond = x >= literal(lower[0]) + (y - literal(lower[1])) * literal(slope)
    return case((and_(y >= literal(lower[1]), y < literal(upper[1]), beyond), 1), else_=0)
