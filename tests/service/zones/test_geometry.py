"""Which way crosses which line, who is inside, which shapes make no sense: against shapely and by rules."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from service.errors import BadZone
from service.zones.geometry import Point, Shapes, check, crossings
from service.zones.zone import Zone

# Few enough that ways often meet corners and run along sides.
SIDE = (st.integers(0, 100) | st.integers(0, 3)).map(float)
POINT = st.tuples(SIDE, SIDE)
WAY = st.lists(POINT, min_size=2, max_size=12)


def area(*points: Point, name: str = "door") -> Zone:
    return Zone("0" * 32, "zone", name, points)


def line(*points: Point) -> Zone:
    return Zone("1" * 32, "line", "gate", points)


@pytest.mark.parametrize(
    ("start", "end", "gate", "expected"),
    [
        (
            (50, 10),
            (50, 90),
            [(0, 50), (100, 50)],
            1,
        ),  # a line drawn to the right: down the picture is forward
        ((50, 90), (50, 10), [(0, 50), (100, 50)], -1),
        ((90, 50), (10, 50), [(50, 0), (50, 100)], 1),  # drawn downwards: to the left is forward
        ((50, 10), (50, 90), [(60, 50), (100, 50)], 0),  # past its end
        ((50, 10), (50, 40), [(0, 50), (100, 50)], 0),
        ((0, 50), (100, 50), [(0, 50), (100, 50)], 0),  # along it
        ((50, 10), (50, 90), [(0, 50), (50, 50), (100, 50)], 1),  # through a bend, once
        ((50, 10), (50, 90), [(0, 90), (50, 50), (100, 90)], 1),
        ((50, 60), (50, 10), [(0, 50), (50, 40), (100, 50)], -1),
    ],
)
def test_a_way_crosses_a_line(start: Point, end: Point, gate: list[Point], expected: int) -> None:
    assert crossings(start, end, gate) == expected


@settings(deadline=None)
@given(WAY, POINT, POINT)
def test_ways_over_a_long_line_add_up_to_the_change_of_side(way: list[Point], a: Point, b: Point) -> None:
    assume(a != b)
    # So long that no way of these goes round an end of it.
    far = [(a[0] + k * (b[0] - a[0]), a[1] + k * (b[1] - a[1])) for k in (-1000, 1000)]
    net = sum(crossings(here, there, far) for here, there in pairwise(way))

    def left(point: Point) -> float:
        (ax, ay), (bx, by) = far
        return (by - ay) * (point[0] - ax) - (bx - ax) * (point[1] - ay)

    assume(left(way[0]) and left(way[-1]))
    assert net == (left(way[-1]) < 0) - (left(way[0]) < 0)


@settings(deadline=None)
@given(WAY, st.lists(POINT, min_size=3, max_size=8, unique=True))
def test_ways_over_a_closed_line_add_up_to_going_in_and_out(way: list[Point], corners: list[Point]) -> None:
    ring = shapely.Polygon(corners)
    assume(ring.is_valid and ring.area > 1)
    # Walked so that its inside is on the right, as one sees it: clockwise on a picture.
    if not shapely.is_ccw(ring.exterior):  # shapely's y grows upwards
        corners = corners[::-1]
    closed = [*corners, corners[0]]
    assume(all(ring.exterior.distance(shapely.Point(point)) > 1e-6 for point in (way[0], way[-1])))
    net = sum(crossings(here, there, closed) for here, there in pairwise(way))
    inside = [ring.contains(shapely.Point(point)) for point in (way[0], way[-1])]
    assert net == inside[1] - inside[0]


@settings(deadline=None)
@given(POINT, POINT, POINT, POINT)
def test_a_crossing_is_counted_where_shapely_sees_one(p: Point, q: Point, a: Point, b: Point) -> None:
    assume(p != q and a != b)
    way, gate = shapely.LineString([p, q]), shapely.LineString([a, b])
    if way.crosses(gate):
        touches = any(way.distance(shapely.Point(x)) == 0 for x in (a, b))
        touches = touches or any(gate.distance(shapely.Point(x)) == 0 for x in (p, q))
        assume(not touches)
        assert abs(crossings(p, q, [a, b])) == 1
    elif not way.intersects(gate):
        assert crossings(p, q, [a, b]) == 0


@settings(deadline=None)
@given(st.lists(POINT, min_size=1, max_size=20))
def test_all_zones_are_asked_at_once(points: list[Point]) -> None:
    zones = [
        area((10, 10), (60, 10), (60, 60)),
        line((0, 50), (100, 50)),
        area((0, 0), (5, 0), (5, 5), (0, 5)),
    ]
    inside, distance_px = Shapes(zones).look(np.array([points] * len(zones), np.float64))
    for row, zone in enumerate(zones):
        for column, point in enumerate(points):
            shape = shapely.Polygon(zone.points) if zone.kind == "zone" else shapely.LineString(zone.points)
            rim = shape.boundary if zone.kind == "zone" else shape
            assert inside[row, column] == (zone.kind == "zone" and shape.intersects(shapely.Point(point)))
            assert distance_px[row, column] == pytest.approx(rim.distance(shapely.Point(point)))


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        (area((10, 10), (60, 60), (60, 10), (10, 60)), ["crosses or touches itself", "35 35", "order"]),
        (area((10, 10), (60, 10), (60, 60), (30, 10)), ["crosses or touches itself"]),
        (area((10, 10), (20, 10), (90, 10)), ["lie on one line"]),
        (area((10, 10), (10, 10), (90, 90)), ["points 1 and 2 are both (10, 10)"]),
        (area((10, 10), (400, 10), (90, 90)), ["point 2 is (400, 10)", "0 to 320", "0 to 240"]),
        (area((10, 10), (90, 10), (90, 240.5)), ["point 3 is (90, 240.5)"]),
        (line((10, 10), (10, 10)), ["points 1 and 2"]),
        (line((10, 10), (10.5, 10)), ["0.5 pixels long"]),
        (line((0, 0), (50, 50), (50, 0), (0, 50)), ["crosses itself"]),
        (line((0, 0), (50, 250)), ["point 2 is (50, 250)"]),
    ],
)
def test_a_shape_that_makes_no_sense_is_refused(zone: Zone, words: list[str]) -> None:
    with pytest.raises(BadZone) as caught:
        check(zone, (320, 240))
    for word in (*words, zone.name):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "zone",
    [
        area((0, 0), (320, 0), (320, 240), (0, 240)),
        area((0, 0), (320, 0), (10, 10), (0, 240)),
        line((0, 0), (320, 240)),
        line((10, 10), (20, 10), (20, 20), (10, 10)),
    ],
)
def test_a_shape_up_to_the_edge_of_the_sensor_is_taken(zone: Zone) -> None:
    check(zone, (320, 240))
    check(zone, None)
