"""Tracks: ids that last over crossings and occlusions and never come back, and what is told of them."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from model.detections import Detections
from model.errors import BadSetting
from model.tracking import TrackChange, Tracked, Tracker, TrackerSettings, make_tracker
from model.tracking.tracks import NO_TRACK

CLASSES = ("person", "car", "two-wheeler")
PERSON, CAR, BIKE = range(3)
ANSWER_US = 40_000
SOON = TrackerSettings(high=0.4, low=0.2, least_hits=1)


@dataclass(frozen=True)
class Box:
    x: float
    y: float = 100.0
    label: int = PERSON
    score: float = 0.9
    width: float = 40.0
    height: float = 80.0


def found(boxes: Sequence[Box]) -> Detections:
    """Boxes around their centres."""
    xyxy = [(b.x - b.width / 2, b.y - b.height / 2, b.x + b.width / 2, b.y + b.height / 2) for b in boxes]
    return Detections(
        np.array(xyxy, np.float32).reshape(-1, 4),
        np.array([b.score for b in boxes], np.float32),
        np.array([b.label for b in boxes], np.int64),
        CLASSES,
    )


@dataclass
class Watch:
    """A tracker and what it said."""

    tracker: Tracker
    every_us: int = ANSWER_US
    t_us: int = 0
    told: list[TrackChange] = field(default_factory=list)

    def see(self, *boxes: Box, after_us: int | None = None) -> Tracked:
        self.t_us += self.every_us if after_us is None else after_us
        tracked = self.tracker.update(found(boxes), self.t_us)
        self.told += tracked.changes
        return tracked

    def changes(self, track_id: int) -> list[str]:
        """What was told of a track, repeated words once."""
        words = [change.change for change in self.told if change.track_id == track_id]
        return [word for word, _ in itertools.groupby(words)]


def watch(settings: TrackerSettings | None = SOON, next_id: int = 1) -> Watch:
    return Watch(make_tracker(CLASSES, next_id=next_id, settings=settings))


def walk(start: float, step: float, count: int) -> Iterator[float]:
    return itertools.islice(itertools.count(start, step), count)


def test_a_thing_that_moves_keeps_its_id() -> None:
    seen = watch()
    ids = [seen.see(Box(x)).ids.tolist() for x in walk(50, 6, 40)]
    assert ids == [[1]] * 40
    assert seen.changes(1) == ["new", "update"]
    assert [change.t_us for change in seen.told] == [ANSWER_US * (k + 1) for k in range(40)]
    assert {change.begun_us for change in seen.told} == {ANSWER_US}


def test_two_that_cross_keep_their_ids() -> None:
    """A tall one and a short one walk through each other; boxes of both are there all the time."""
    seen = watch()
    for left, right in zip(walk(40, 6, 40), walk(274, -6, 40), strict=True):
        ids = seen.see(Box(left, height=90), Box(right, height=60)).ids.tolist()
        assert ids == [1, 2]


def test_one_that_is_hidden_for_a_while_comes_back_as_itself() -> None:
    seen = watch()
    for answer, x in enumerate(walk(50, 5, 60)):
        hidden = 20 <= answer < 35  # 600 ms
        ids = seen.see(*([] if hidden else [Box(x)])).ids.tolist()
        assert ids == ([] if hidden else [1])
    assert seen.changes(1) == ["new", "update", "lost", "update"]
    assert seen.tracker.next_id == 2


def test_a_lost_track_is_told_of_once_where_it_is_expected_and_ends_once() -> None:
    seen = watch()
    for x in walk(50, 4, 20):
        seen.see(Box(x))
    for _ in range(40):
        seen.see()
    told = [change for change in seen.told if change.change != "update"]
    assert [change.change for change in told] == ["new", "lost", "end"]
    last_x = 50 + 4 * 19
    lost, end = told[1:]
    assert lost.xyxy == pytest.approx((last_x + 4 - 20, 60, last_x + 4 + 20, 140), abs=0.5)
    assert lost.t_us == 21 * ANSWER_US
    assert end.t_us == 46 * ANSWER_US  # the first answer more than 1000 ms after the 20th
    assert seen.see(Box(last_x)).ids.tolist() == [2]


def test_velocity_is_in_pixels_a_second_at_any_rate() -> None:
    for every_us in (8_000, 40_000, 100_000):
        seen = watch()
        for k in range(30):
            seen.see(Box(50 + 90 * k * every_us * 1e-6, 200 - 30 * k * every_us * 1e-6), after_us=every_us)
        assert seen.told[-1].velocity_px_s == pytest.approx((90, -30), abs=0.1)
        assert seen.changes(1) == ["new", "update"]


def test_answers_may_come_at_odd_times() -> None:
    """Speed in time is even, time between answers is not; boxes are too weak to begin a track again."""
    seen = watch()
    gaps_us = [40_000] * 20 + [8_000, 120_000, 16_000, 80_000, 330_000, 330_000, 40_000, 330_000]
    for answer, gap_us in enumerate(gaps_us):
        x = 50 + 100 * (seen.t_us + gap_us) * 1e-6
        ids = seen.see(Box(x, score=0.9 if answer < 20 else 0.3), after_us=gap_us).ids
        assert ids.tolist() == [1]


def test_a_pause_longer_than_any_track_waits_ends_all_before_new_ones_begin() -> None:
    seen = watch()
    seen.see(Box(50), Box(200))
    tracked = seen.see(Box(50), after_us=5_000_000)
    assert [(change.change, change.track_id) for change in tracked.changes] == [
        ("end", 1),
        ("end", 2),
        ("new", 3),
    ]


def test_weak_boxes_continue_tracks_but_begin_none() -> None:
    seen = watch()
    assert seen.see(Box(50, score=0.3)).ids.tolist() == [NO_TRACK]
    assert seen.see(Box(50)).ids.tolist() == [1]
    assert seen.see(Box(52, score=0.3), Box(300, score=0.3)).ids.tolist() == [1, NO_TRACK]
    assert seen.tracker.floor == 0.2
    assert seen.see(Box(54, score=0.1)).ids.tolist() == [NO_TRACK]
    assert seen.changes(1) == ["new", "update", "lost"]


def test_strong_boxes_choose_their_tracks_before_weak_ones() -> None:
    seen = watch()
    seen.see(Box(100))
    assert seen.see(Box(100, score=0.3), Box(110, score=0.9)).ids.tolist() == [NO_TRACK, 1]


def test_an_id_is_given_after_some_boxes_in_a_row() -> None:
    seen = watch(TrackerSettings(least_hits=3))
    for boxes in ([Box(50)], [Box(50)], [], [Box(50)], [Box(50)]):
        assert not seen.see(*boxes).changes
    tracked = seen.see(Box(50))
    assert tracked.ids.tolist() == [1]
    assert [(change.change, change.begun_us) for change in tracked.changes] == [("new", 4 * ANSWER_US)]
    assert seen.tracker.next_id == 2


def test_noise_that_never_comes_twice_in_one_place_gets_no_id() -> None:
    rng = np.random.default_rng(3)
    seen = watch(TrackerSettings(least_hits=3))
    for _ in range(50):
        assert not seen.see(Box(rng.uniform(0, 5000), rng.uniform(0, 5000))).changes
    assert seen.tracker.next_id == 1


def test_ids_begin_where_they_are_told_to_and_never_come_back() -> None:
    seen = watch(next_id=7)
    given: list[int] = []
    for _ in range(5):
        given += [change.track_id for change in seen.see(Box(50), Box(200)).changes]
        ended = seen.tracker.end_all()
        assert [(change.change, change.track_id) for change in ended] == [("end", i) for i in given[-2:]]
        assert not seen.tracker.end_all()
    assert given == list(range(7, 17))
    assert seen.tracker.next_id == 17


def test_a_new_tracker_goes_on_where_the_one_before_ended() -> None:
    first = watch()
    first.see(Box(50), Box(200))
    second = watch(next_id=first.tracker.next_id)
    assert second.see(Box(50)).ids.tolist() == [3]


def test_two_trackers_know_nothing_of_each_other() -> None:
    one, other = watch(), watch()
    for x in walk(50, 5, 10):
        assert one.see(Box(x)).ids.tolist() == [1]
        assert other.see(Box(400 - x), Box(x, 300)).ids.tolist() == [1, 2]
    one.tracker.end_all()
    assert other.see(Box(300), Box(100, 300)).ids.tolist() == [1, 2]


def test_after_the_end_of_all_time_may_begin_anew() -> None:
    seen = watch()
    seen.see(Box(50), after_us=10**12)
    seen.tracker.end_all()
    assert seen.see(Box(50), after_us=-2 * 10**12).ids.tolist() == [2]
    assert seen.see(Box(50)).ids.tolist() == [2]


def test_time_that_does_not_go_on_is_refused_and_harms_nothing() -> None:
    seen = watch()
    seen.see(Box(50))
    for after_us in (0, -1):
        with pytest.raises(ValueError, match="40000 us"):
            seen.tracker.update(found([Box(50)]), seen.t_us + after_us)
    assert seen.see(Box(50)).ids.tolist() == [1]


def test_the_label_is_that_of_most_votes_by_score() -> None:
    seen = watch()
    for x, label, score in ((50, PERSON, 0.5), (52, BIKE, 0.9), (54, BIKE, 0.9), (56, PERSON, 0.7)):
        assert seen.see(Box(x, label=label, score=score)).ids.tolist() == [1]
    last = seen.told[-1]
    assert [change.label for change in seen.told] == [PERSON, BIKE, BIKE, BIKE]
    assert last.votes == pytest.approx((1.2 / 3.0, 0, 1.8 / 3.0))
    assert last.score == pytest.approx(0.7)
    assert seen.changes(1) == ["new", "update"]


def test_a_thing_of_another_class_in_the_same_place_has_an_id_of_its_own() -> None:
    seen = watch()
    seen.see(Box(50))
    assert seen.see(Box(51), Box(51, label=CAR)).ids.tolist() == [1, 2]
    assert seen.see(Box(52, label=CAR), Box(52)).ids.tolist() == [2, 1]


def test_a_lost_track_does_not_become_what_comes_in_its_place_later() -> None:
    seen = watch()
    seen.see(Box(50))
    seen.see()
    assert seen.see(Box(50, label=CAR)).ids.tolist() == [2]


def test_answers_without_boxes_cost_nothing_and_change_nothing() -> None:
    seen = watch()
    for _ in range(3):
        tracked = seen.see()
        assert tracked.ids.shape == (0,)
        assert tracked.ids.dtype == np.int64
        assert tracked.changes == ()


def test_a_crowd_keeps_its_ids_and_changes_come_in_their_order() -> None:
    rng = np.random.default_rng(0)
    grid = [(60.0 * column, 100.0 * row) for row in range(12) for column in range(20)]
    speed = rng.uniform(-60, 60, (len(grid), 2))
    seen = watch()
    for answer in range(15):
        moved = [
            Box(x + vx * answer * 0.04, y + vy * answer * 0.04, label=at % 3)
            for at, ((x, y), (vx, vy)) in enumerate(zip(grid, speed, strict=True))
        ]
        order = rng.permutation(len(moved))
        tracked = seen.see(*(moved[at] for at in order))
        if answer == 0:
            names = dict(zip(order.tolist(), tracked.ids.tolist(), strict=True))
        assert tracked.ids.tolist() == [names[at] for at in order.tolist()]
        assert [change.track_id for change in tracked.changes] == list(range(1, len(grid) + 1))


def test_boxes_without_area_or_far_outside_do_no_harm() -> None:
    seen = watch()
    odd = [Box(50, width=0), Box(50, height=0), Box(1e7), Box(-1e7, width=1e7, height=1e7)]
    for _ in range(5):
        ids = seen.see(*odd, Box(200)).ids
        assert len(ids) == 5
    assert seen.changes(seen.see(Box(200)).ids.item()) == ["new", "update"]


NEXT = {
    None: {"new"},
    "new": {"update", "lost", "end"},
    "update": {"update", "lost", "end"},
    "lost": {"update", "end"},
    "end": set[str](),
}


@pytest.mark.parametrize("seed", range(3))
def test_whatever_comes_what_is_told_is_in_order(seed: int) -> None:
    """Crowded noise with pauses and resets: a track is new once, nothing follows its end, ids only grow."""
    rng = np.random.default_rng(seed)
    seen = watch(TrackerSettings(least_hits=2, lost_ms=200))
    last: dict[int, str] = {}
    for _ in range(300):
        boxes = [
            Box(*rng.integers(0, 4, 2) * 30.0, label=int(rng.integers(3)), score=float(rng.uniform(0, 1)))
            for _ in range(rng.integers(8))
        ]
        tracked = seen.see(*boxes, after_us=int(rng.choice([8_000, 40_000, 250_000, 10**7])))
        ended = seen.tracker.end_all() if rng.uniform() < 0.02 else ()
        known = [each for each in tracked.ids.tolist() if each != NO_TRACK]
        assert len(set(known)) == len(known)
        for change in (*tracked.changes, *ended):
            before = last.get(change.track_id)
            assert change.change in NEXT[before]
            assert before is not None or change.track_id == max(last, default=0) + 1
            assert sum(change.votes) == pytest.approx(1)
            last[change.track_id] = change.change
        found_now = {change.track_id for change in tracked.changes if change.change in ("new", "update")}
        assert set(known) == found_now
    assert len(last) > 20
    assert seen.tracker.next_id == max(last) + 1


def test_the_same_answers_make_the_same_tracks() -> None:
    def told() -> list[TrackChange]:
        rng, seen = np.random.default_rng(5), watch(TrackerSettings())
        for _ in range(60):
            boxes = [
                Box(*rng.uniform(0, 400, 2), label=int(rng.integers(3)), score=float(rng.uniform(0.1, 1)))
                for _ in range(rng.integers(12))
            ]
            seen.see(*boxes)
        return [*seen.told, *seen.tracker.end_all()]

    assert told() == told()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"high": 1.5}, "high is 1.5"),
        ({"low": float("nan")}, "low is nan"),
        ({"iou": -0.1}, "iou is -0.1"),
        ({"high": 0.3, "low": 0.4}, "low is 0.4, high is 0.3"),
        ({"lost_ms": 0.0}, "lost_ms is 0.0"),
        ({"frame_ms": float("inf")}, "frame_ms is inf"),
        ({"velocity_ms": 1e6}, "velocity_ms is 1000000.0"),
        ({"least_hits": 0}, "least_hits is 0"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float], says: str) -> None:
    with pytest.raises(BadSetting, match=says):
        TrackerSettings(**wrong)  # type: ignore[arg-type]


def test_settings_follow_what_people_see() -> None:
    assert TrackerSettings.around(0.6).high == 0.6
    assert TrackerSettings.around(0.6).low == 0.3
    assert TrackerSettings.around(0.0).low == 0.0


def test_ids_below_one_are_refused() -> None:
    with pytest.raises(BadSetting, match="next_id is 0"):
        make_tracker(CLASSES, next_id=0)


def test_the_types_come_without_the_library() -> None:
    code = (
        "import sys, model.tracking; sys.exit('edgefirst.tracker' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
