"""Who enters, leaves, stays and crosses: tracks as a tracker tells them, events as viewers see them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.tracking.tracks import TrackChange
from service.zones.happening import ZoneHappening
from service.zones.watch import Watch
from service.zones.zone import Zone
from tests.service.observed import ANSWER_US, CLASSES, track_change

SQUARE = ((40.0, 40.0), (140.0, 40.0), (140.0, 140.0), (40.0, 140.0))
DOOR = Zone("0" * 32, "zone", "door", SQUARE, margin_px=4, hold_ms=80)
GATE = Zone("1" * 32, "line", "gate", ((0.0, 100.0), (200.0, 100.0)), margin_px=4, hold_ms=80)


class Walk:
    """Tracks through the zones, one answer after the other; `box` puts the anchor where it is asked."""

    def __init__(self, *zones: Zone) -> None:
        self.watch = Watch(zones)
        self.t_us = 0

    def see(self, *changes: TrackChange) -> list[ZoneHappening]:
        return self.watch.see(changes, CLASSES)

    def at(self, *points: tuple[float, float], track_id: int = 1, label: str = "person") -> list[str]:
        """Events while a track is seen at each of the points in turn."""
        told = []
        for x, y in points:
            self.t_us += ANSWER_US
            told += self.see(track_change(track_id, (x - 5, y - 20, x + 5, y), self.t_us, label))
        return brief(told)

    def gone(self, *changes: str, track_id: int = 1) -> list[str]:
        told = []
        for change in changes:
            told += self.see(track_change(track_id, (0, 0, 1, 1), self.t_us, change=change))  # type: ignore[arg-type]
        return brief(told)

    def counts(self) -> dict[str, object]:
        return self.watch.summary(DOOR.id)


def brief(happenings: Sequence[ZoneHappening]) -> list[str]:
    return [f"{one.event} {one.direction or one.reason}" for one in happenings]


def test_a_track_that_walks_in_and_out() -> None:
    walk = Walk(DOOR)
    assert walk.at((20, 90)) == []
    assert walk.at((60, 90)) == ["enter moved"]
    assert walk.at((90, 90), (120, 90)) == []
    assert walk.counts()["inside"] == {"person": 1}
    assert walk.at((160, 90)) == ["leave moved"]
    assert walk.counts() == {
        "inside": {},
        "entered": {"person": 1},
        "left": {"person": 1},
        "dwell_s": {"total": 0.12, "mean": 0.12},
    }


def test_a_track_that_appears_inside() -> None:
    assert Walk(DOOR).at((90, 90)) == ["enter appeared"]


def test_what_jitters_on_the_border_neither_enters_nor_leaves() -> None:
    walk = Walk(DOOR)
    walk.at((20, 90))
    assert walk.at(*[(38, 90), (42, 90), (43, 90)] * 20) == []
    assert walk.at((42, 90), (42, 90), (42, 90)) == ["enter moved"]  # three answers on one side
    assert walk.at(*[(38, 90), (38, 90), (41, 90)] * 20) == []
    assert walk.at((30, 90)) == ["leave moved"]  # far enough


def test_the_point_of_the_box_that_counts() -> None:
    box = track_change(1, (80, 120, 100, 160), 0)  # its feet are below the zone, its centre is on the border
    assert brief(Walk(DOOR).see(box)) == []
    assert brief(Walk(replace(DOOR, anchor="centre", hold_ms=0)).see(box)) == ["enter appeared"]


def test_feet_beyond_the_lower_edge_of_the_sensor_stand_on_it() -> None:
    walk = Walk(replace(DOOR, points=((0, 100), (200, 100), (200, 200), (0, 200)), hold_ms=0))
    walk.watch.size = (200, 200)
    assert walk.at((90, 230)) == ["enter appeared"]


def test_dwelling_is_told_again_and_again() -> None:
    walk = Walk(replace(DOOR, dwell_s=0.2))
    told = [walk.at((90, 90)) for _ in range(13)]
    assert [at for at, events in enumerate(told) if "dwell moved" in events] == [5, 10]
    assert walk.counts()["dwell_s"] == {"total": 0.48, "mean": None}


def test_dwelling_goes_on_while_a_track_is_lost_and_found() -> None:
    walk = Walk(replace(DOOR, dwell_s=0.2))
    walk.at((90, 90))
    assert walk.gone("lost") == []
    walk.t_us += 1_000_000
    assert walk.at((90, 90)) == ["dwell moved"]  # once, however often it would have been due


def test_a_lost_track_leaves_when_it_ends_and_not_before() -> None:
    walk = Walk(DOOR)
    walk.at((90, 90), (90, 90))
    walk.t_us += 5_000_000
    assert walk.gone("lost") == []
    assert walk.counts()["inside"] == {"person": 1}
    assert walk.gone("end") == ["leave lost"]
    assert walk.counts()["dwell_s"] == {"total": 0.04, "mean": 0.04}  # until it was last seen


def test_a_track_that_ends_while_it_is_seen_was_ended() -> None:
    walk = Walk(DOOR)
    walk.at((90, 90))
    assert walk.gone("end") == ["leave ended"]
    walk.at((90, 90), track_id=2)
    walk.gone("lost", track_id=2)
    walk.at((90, 90), track_id=2)
    assert walk.gone("end", track_id=2) == ["leave ended"]


def test_when_the_stream_begins_anew_all_leave() -> None:
    walk = Walk(DOOR)
    walk.at((90, 90))
    walk.at((90, 90), track_id=2)
    assert brief(walk.watch.end_all()) == ["leave ended", "leave ended"]
    assert walk.counts()["inside"] == {}


def test_only_the_classes_that_are_asked_for() -> None:
    walk = Walk(replace(DOOR, classes=("car",)), replace(GATE, classes=("car",)))
    assert walk.at((90, 60), (90, 120), (90, 180)) == []
    assert walk.at((90, 60), (90, 120), track_id=2, label="car") == ["enter appeared", "cross forward"]


def test_a_track_that_turns_out_to_be_something_else() -> None:
    walk = Walk(DOOR)
    walk.at((90, 90), label="car")
    assert walk.at((90, 90)) == []
    assert walk.counts()["entered"] == {"person": 1}
    only_cars = Walk(replace(DOOR, classes=("car",)))
    assert only_cars.at((90, 90), label="car") == ["enter appeared"]
    assert only_cars.at((90, 90)) == ["leave class"]
    assert only_cars.at((90, 90), label="car") == ["enter class"]


def test_a_line_is_crossed_forward_and_backward() -> None:
    walk = Walk(GATE)
    assert walk.at((90, 60), (90, 95)) == []
    assert walk.at((90, 120)) == ["cross forward"]
    assert walk.at((90, 60), label="car") == ["cross backward"]
    assert walk.watch.summary(GATE.id) == {"forward": {"person": 1}, "backward": {"car": 1}}


def test_what_jitters_on_a_line_does_not_cross_it() -> None:
    walk = Walk(GATE)
    walk.at((90, 60))
    assert walk.at(*[(90, 98), (90, 102), (90, 103)] * 20) == []
    assert walk.at((90, 60)) == []
    assert walk.at((90, 102), (90, 103), (90, 101)) == ["cross forward"]


def test_a_line_is_not_crossed_by_going_round_its_end() -> None:
    walk = Walk(replace(GATE, points=((100.0, 100.0), (200.0, 100.0))))
    assert walk.at((150, 60), (80, 60), (80, 140), (150, 140)) == []


def test_a_track_that_ends_on_the_line_has_not_crossed_it() -> None:
    walk = Walk(GATE)
    walk.at((90, 60), (90, 102))
    assert walk.gone("lost", "end") == []
    assert walk.watch.summary(GATE.id) == {"forward": {}, "backward": {}}


def test_zones_changed_while_tracks_are_in_them() -> None:
    walk = Walk(DOOR, GATE)
    walk.at((90, 90))
    moved = replace(DOOR, points=tuple((x + 200, y) for x, y in SQUARE))
    assert brief(walk.watch.replace([moved, GATE])) == []
    assert walk.at((90, 90)) == ["leave moved"]
    assert walk.counts()["entered"] == {"person": 1}
    walk.at((290, 90))
    assert brief(walk.watch.replace([GATE])) == ["leave removed"]
    assert brief(walk.watch.replace([moved, GATE])) == []
    assert walk.counts()["entered"] == {}  # a new one


STEP = st.tuples(
    st.integers(1, 3),
    st.sampled_from(["new", "update", "update", "update", "lost", "end"]),
    st.sampled_from(CLASSES),
    st.tuples(st.integers(20, 160), st.integers(20, 160)),
)


@settings(deadline=None)
@given(st.lists(STEP, max_size=60))
def test_counts_always_add_up(steps: list[tuple[int, str, str, tuple[int, int]]]) -> None:
    """Whatever a tracker says: entered = left + inside for each class, and events say the same."""
    walk = Walk(replace(DOOR, dwell_s=0.1), GATE)
    told: list[ZoneHappening] = []
    for track_id, change, label, (x, y) in steps:
        walk.t_us += ANSWER_US
        box = (x - 5.0, y - 20.0, x + 5.0, float(y))
        told += walk.see(track_change(track_id, box, walk.t_us, label, change))  # type: ignore[arg-type]
        counts = walk.counts()
        entered, left, inside = (Counter(counts[name]) for name in ("entered", "left", "inside"))  # type: ignore[call-overload]
        assert entered == left + inside
        events = Counter(one.event for one in told)
        assert (events["enter"], events["leave"]) == (entered.total(), left.total())
    crossed = Counter(one.direction for one in told if one.event == "cross")
    line = walk.watch.summary(GATE.id)
    assert crossed["forward"] == sum(line["forward"].values())
    assert crossed["backward"] == sum(line["backward"].values())
    told += walk.watch.end_all()
    assert walk.counts()["inside"] == {}


@pytest.mark.parametrize("zones", [(), (GATE,)])
def test_streams_without_areas_cost_nothing_and_tell_nothing(zones: tuple[Zone, ...]) -> None:
    assert Walk(*zones).at((90, 60), (90, 60)) == []
