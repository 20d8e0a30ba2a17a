"""Which points lie in which areas, how far from which borders, and which ways cross which lines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.validation import explain_validity

from service.errors import BadZone
from service.zones.zone import Zone

Point: TypeAlias = tuple[float, float]


class Shapes:
    """The shapes of some zones, asked all at once.

    Args:
        zones: areas and lines, in the order of what `look` gives.
    """

    def __init__(self, zones: Sequence[Zone]) -> None:
        areas = [shapely.Polygon(zone.points) if zone.kind == "zone" else shapely.Polygon() for zone in zones]
        borders = [
            shapely.LinearRing(zone.points) if zone.kind == "zone" else shapely.LineString(zone.points)
            for zone in zones
        ]
        self._areas, self._borders = np.array(areas, object), np.array(borders, object)
        shapely.prepare(self._areas)
        shapely.prepare(self._borders)

    def look(self, points: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Where points lie.

        Args:
            points: (Z, N, 2) sensor pixels, the N points that count for each of Z zones.

        Returns:
            (Z, N) whether inside or on the border (False for lines), and (Z, N) pixels to the border.
        """
        x, y = points[..., 0], points[..., 1]
        inside = shapely.intersects_xy(self._areas[:, None], x, y)
        distance_px = shapely.distance(self._borders[:, None], shapely.points(points))
        return inside, distance_px


def crossings(start: Point, end: Point, line: Sequence[Point]) -> int:
    """How often the straight way from `start` to `end` crosses `line` from left to right, less the other way.

    Left and right are those of somebody who walks along the line, as one sees it on the picture. Where a way
    meets an end or a corner, or runs along a side, it counts as moved by an endlessly small step, the same
    for all ways, so that ways joined end to end count every crossing once.
    """
    return sum(_crosses(start, end, a, b) for a, b in pairwise(line))


def _crosses(start: Point, end: Point, a: Point, b: Point) -> int:
    """+1 from left to right over the segment from `a` to `b`, -1 the other way, 0 for none."""
    way_moves = _left_by_a_step(a, b)
    from_left = (_left(a, b, start) or way_moves) > 0
    to_left = (_left(a, b, end) or way_moves) > 0
    if from_left == to_left:
        return 0
    line_moves = -_left_by_a_step(start, end)
    if ((_left(start, end, a) or line_moves) > 0) == ((_left(start, end, b) or line_moves) > 0):
        return 0
    return 1 if from_left else -1


def _left(a: Point, b: Point, point: Point) -> float:
    """Positive where `point` is left of the direction from `a` to `b`; y grows downwards."""
    return (b[1] - a[1]) * (point[0] - a[0]) - (b[0] - a[0]) * (point[1] - a[1])


def _left_by_a_step(a: Point, b: Point) -> float:
    """Positive where a step right, and by far less down, leads to the left of the way from `a` to `b`."""
    return b[1] - a[1] or a[0] - b[0]


def check(zone: Zone, size: tuple[int, int] | None) -> None:
    """Raises `BadZone` where a zone has no sensible shape, or leaves the sensor of `size` (width, height)."""
    if size is not None:
        _check_inside(zone, size)
    for at, (here, there) in enumerate(pairwise(zone.points), 1):
        if here == there:
            raise BadZone(
                f"{zone.kind} {zone.name!r}: points {at} and {at + 1} are both {_shown(here)}; "
                "leave one of them out"
            )
    if zone.kind == "line":
        _check_line(zone)
    else:
        _check_area(zone)


def outside(zone: Zone, size: tuple[int, int]) -> int | None:
    """Number of the first point, from 1, that lies outside a sensor of `size`; None where there is none."""
    beyond = (at for at, (x, y) in enumerate(zone.points, 1) if not (0 <= x <= size[0] and 0 <= y <= size[1]))
    return next(beyond, None)


def _check_inside(zone: Zone, size: tuple[int, int]) -> None:
    at = outside(zone, size)
    if at is not None:
        raise BadZone(
            f"{zone.kind} {zone.name!r}: point {at} is {_shown(zone.points[at - 1])}, outside the sensor; "
            f"x must be from 0 to {size[0]}, y from 0 to {size[1]}"
        )


def _check_area(zone: Zone) -> None:
    area = shapely.Polygon(zone.points)
    if area.convex_hull.area < 1:
        raise BadZone(f"the corners of zone {zone.name!r} lie on one line; give corners around an area")
    if not area.is_valid:
        raise BadZone(
            f"zone {zone.name!r} crosses or touches itself ({explain_validity(area)}); give its corners in "
            "the order in which one walks round it"
        )


def _check_line(zone: Zone) -> None:
    line = shapely.LineString(zone.points)
    if not line.is_simple:
        raise BadZone(
            f"line {zone.name!r} crosses itself, so that its left and right are not clear; draw two lines"
        )
    if line.length < 1:
        raise BadZone(f"line {zone.name!r} is {line.length:.2g} pixels long; at least 1 is needed")


def _shown(point: Point) -> str:
    return f"({point[0]:g}, {point[1]:g})"
