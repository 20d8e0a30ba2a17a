"""Boxes within a polygon, by SQL and by geometry."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
import shapely

from service.store.area import Area
from service.store.entries import Watched
from tests.service.store.world import Home, boxes_at

Points = tuple[tuple[float, float], ...]
TRIANGLE: Points = ((10.0, 10.0), (90.0, 10.0), (90.0, 90.0))
STAR: Points = (
    (50, 5),
    (61, 38),
    (95, 38),
    (68, 58),
    (79, 92),
    (50, 72),
    (21, 92),
    (32, 58),
    (5, 38),
    (39, 38),
)
# As many corners as a zone may have.
WHEEL: Points = tuple(
    (
        50 + (35 + 9 * (n % 2)) * math.cos(n * math.tau / 100),
        50 + (35 + 9 * (n % 2)) * math.sin(n * math.tau / 100),
    )
    for n in range(100)
)


@pytest.mark.parametrize("anchor", ["bottom", "centre"])
@pytest.mark.parametrize("points", [TRIANGLE, TRIANGLE[::-1], STAR, WHEEL], ids=len)
def test_boxes_of_a_zone_are_those_that_geometry_finds(home: Home, points: Points, anchor: Any) -> None:
    dice = random.Random(1)
    # Off the grid of the corners, so that no box lies on a border.
    places = [(dice.randrange(-10, 100) + 0.13, dice.randrange(-10, 100) + 0.37) for _ in range(400)]
    corners = [(x, y, x + 10, y + 2 * dice.randrange(1, 9)) for x, y in places]
    home.put(boxes_at(4_000_000_000_000_000, ["person"] * 400, Watched("a", "a"), lambda at: corners[at]))
    polygon = shapely.Polygon(points)
    expected = {
        (left, top, right, bottom)
        for left, top, right, bottom in corners
        if polygon.contains(
            shapely.Point((left + right) / 2, bottom if anchor == "bottom" else (top + bottom) / 2)
        )
    }
    found = {tuple(box["xyxy"]) for box in home.kept("detections", area=Area(points, anchor))}
    assert found == {tuple(round(side, 2) for side in box) for box in expected}
    assert 30 < len(found) < 300


def test_a_box_in_two_neighbouring_zones_border_is_in_one_of_them(home: Home) -> None:
    places = [(x, 0, x + 10, 20) for x in range(0, 95, 5)]
    home.put(boxes_at(4_000_000_000_000_000, ["car"] * 19, Watched("a", "a"), lambda at: places[at]))
    left, right = (((a, 0.0), (a + 50.0, 0.0), (a + 50.0, 50.0), (a, 50.0)) for a in (0.0, 50.0))
    counts = [len(home.kept("detections", area=Area(points))) for points in (left, right)]
    assert sum(counts) == 19
