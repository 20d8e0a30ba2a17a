"""The Stepper against a slow reference, at borders, over gaps, in any cut."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streaming.errors import BackwardTime, BrokenRecording, EventsOutsideSensor
from streaming.events import Events
from streaming.letterbox import Letterbox
from streaming.slicing import Stepper
from streaming.step import Step

SMALL = Letterbox(8, 6, 8, 6)


def run(stepper: Stepper, *packets: Events) -> list[Step]:
    steps = [step for packet in packets for step in stepper.push(packet)]
    last = stepper.flush()
    return [*steps, last] if last is not None else steps


def at(*t_us: int, x: int = 1, y: int = 2, p: int = 1) -> Events:
    n = len(t_us)
    return Events.of(t_us, [x] * n, [y] * n, [p] * n)


def random_events(seed: int, n: int, width: int, height: int, span_us: int) -> Events:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, span_us, n))
    return Events.of(times, rng.integers(0, width, n), rng.integers(0, height, n), rng.integers(0, 2, n))


def slow_counts(events: Events, box: Letterbox, start_us: int, end_us: int) -> NDArray[np.uint16]:
    counts = np.zeros((2, box.grid_height, box.grid_width), np.uint16)
    inside = (events.t_us >= start_us) & (events.t_us < end_us)
    part = events[inside]
    np.add.at(counts, (part.p, box.rows()[part.y], box.columns()[part.x]), 1)
    return counts


@pytest.mark.parametrize(
    "box",
    [Letterbox(304, 240, 304, 240), Letterbox(1280, 720, 304, 240), Letterbox(54, 61, 96, 80)],
    ids=["same", "smaller-grid", "larger-grid"],
)
def test_steps_equal_a_slow_reference(box: Letterbox) -> None:
    events = random_events(1, 30_000, box.sensor_width, box.sensor_height, 100_000)
    steps = run(Stepper(box, 7_000), events)
    begin = int(events.t_us[0])
    assert [step.t_us for step in steps] == [
        (begin + i * 7_000, begin + (i + 1) * 7_000) for i in range(len(steps))
    ]
    for step in steps:
        np.testing.assert_array_equal(step.counts, slow_counts(events, box, *step.t_us))
        assert step.events == int(step.counts.sum())
    assert sum(step.events for step in steps) == len(events)


def test_an_event_at_the_end_belongs_to_the_next_step() -> None:
    steps = run(Stepper(SMALL, 10), at(100, 109, 110, 119, 120))
    assert [(step.t_us, step.events) for step in steps] == [((100, 110), 2), ((110, 120), 2), ((120, 130), 1)]
    assert [step.newest_us for step in steps] == [109, 119, 120]
    assert [step.reset for step in steps] == ["start", None, None]


def test_polarity_is_the_channel() -> None:
    (step,) = run(Stepper(SMALL, 10), at(0, 1, 2, x=3, y=4, p=0), at(3, x=3, y=4, p=1))
    assert step.counts[0, 4, 3] == 3
    assert step.counts[1, 4, 3] == 1
    assert step.counts.dtype == np.uint16


def test_quiet_steps_are_zeros_and_longer_gaps_restart() -> None:
    steps = run(Stepper(SMALL, 10, max_gap_us=50), at(0, 45), at(96), at(200))
    assert [(step.t_us[0], step.events, step.reset) for step in steps] == [
        (0, 1, "start"),
        (10, 0, None),
        (20, 0, None),
        (30, 0, None),
        (40, 1, None),
        (96, 1, "gap"),
        (200, 1, "gap"),
    ]
    assert steps[2].newest_us == 0
    assert not steps[2].counts.any()


def test_a_forged_time_hours_ahead_is_one_gap() -> None:
    hours_us = 5 * 3_600_000_000
    steps = run(Stepper(SMALL, 1_000), at(0, 10, hours_us))
    assert [(step.t_us[0], step.reset) for step in steps] == [(0, "start"), (hours_us, "gap")]


def test_backward_time_ends_the_running_step_and_starts_anew() -> None:
    steps = run(Stepper(SMALL, 10), at(1_000, 1_003), at(500, 504), at(511))
    assert [(step.t_us, step.events, step.reset) for step in steps] == [
        ((1_000, 1_010), 2, "start"),
        ((500, 510), 2, "backward_time"),
        ((510, 520), 1, None),
    ]
    assert [step.newest_us for step in steps] == [1_003, 504, 511]


def test_equal_times_across_packets_are_not_backward() -> None:
    (step,) = run(Stepper(SMALL, 10), at(5, 7), at(7, 7))
    assert step.events == 4


def test_start_us_skips_and_aligns() -> None:
    steps = run(Stepper(SMALL, 10, start_us=100), at(50, 99), at(99, 125, 131))
    assert [(step.t_us, step.events, step.reset) for step in steps] == [
        ((100, 110), 0, "start"),
        ((110, 120), 0, None),
        ((120, 130), 1, None),
        ((130, 140), 1, None),
    ]


def test_a_first_event_far_after_start_us_starts_there() -> None:
    (step,) = run(Stepper(SMALL, 10, start_us=0, max_gap_us=1_000), at(5_000))
    assert (step.t_us, step.reset) == ((5_000, 5_010), "start")


def test_counts_saturate() -> None:
    (step,) = run(Stepper(SMALL, 10), at(*([0] * 70_000), p=0))
    assert step.counts[0, 2, 1] == 65_535
    assert int(step.counts.astype(np.int64).sum()) == 65_535
    assert step.events == 70_000


def test_flush_starts_anew_and_is_none_when_empty() -> None:
    stepper = Stepper(SMALL, 10)
    assert stepper.flush() is None
    assert run(stepper, Events.empty()) == []
    assert [step.reset for step in run(stepper, at(5))] == ["start"]
    assert stepper.flush() is None
    assert [(step.t_us, step.reset) for step in run(stepper, at(3))] == [((3, 13), "start")]


@pytest.mark.parametrize(
    ("events", "error", "says"),
    [
        (at(0, x=8), EventsOutsideSensor, "x=8, y=2 outside the 8 x 6 sensor"),
        (at(0, y=6), EventsOutsideSensor, "x=1, y=6"),
        (at(0, x=65_535, y=65_535), EventsOutsideSensor, "x=65535"),
        (at(0, p=2), BrokenRecording, "polarity 2"),
        (at(10, 9), BackwardTime, "from 10 us to 9 us"),
        (at(0, 2**62 + 1), BrokenRecording, "times must lie within"),
        (at(-(2**63), 0), BrokenRecording, "times must lie within"),
    ],
)
def test_bad_events_are_refused(events: Events, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says.replace("+", r"\+")):
        run(Stepper(SMALL, 10), events)


def test_settings_are_checked() -> None:
    for step_us, max_gap_us in ((0, 10), (-1, 10), (20, 10)):
        with pytest.raises(ValueError, match="step_us"):
            Stepper(SMALL, step_us, max_gap_us=max_gap_us)
    with pytest.raises(ValueError, match="start_us"):
        Stepper(SMALL, 10, start_us=2**63)


def test_steps_are_written_into_the_callers_arrays_one_at_a_time() -> None:
    slot = np.full((2, 6, 8), 9, np.uint16)
    totals = []
    stepper = Stepper(SMALL, 10, allocate=lambda: slot)
    for step in stepper.push(at(0, 1, 12, 25, 26, 27, 30)):
        assert step.counts is slot
        totals.append(int(slot.sum()))
    assert totals == [2, 1, 3]


def test_a_wrong_array_of_the_caller_is_refused() -> None:
    stepper = Stepper(SMALL, 10, allocate=lambda: np.zeros((2, 6, 9), np.uint16))
    with pytest.raises(ValueError, match="allocate must give"):
        run(stepper, at(0))


def test_columns_may_be_strided_and_read_only() -> None:
    events = random_events(2, 2_000, 8, 6, 100)
    strided = events[::2]
    frozen = Events.of(strided.t_us.copy(), strided.x.copy(), strided.y.copy(), strided.p.copy())
    for column in (frozen.t_us, frozen.x, frozen.y, frozen.p):
        column.setflags(write=False)
    for left, right in zip(run(Stepper(SMALL, 10), strided), run(Stepper(SMALL, 10), frozen), strict=True):
        np.testing.assert_array_equal(left.counts, right.counts)


@settings(deadline=None, max_examples=80)
@given(
    gaps=st.lists(st.sampled_from([0, 0, 1, 2, 9, 10, 11, 40, 41, 10_000]), min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=12),
    start_us=st.sampled_from([None, -5, 0, 7]),
)
def test_any_cut_into_packets_gives_equal_steps(
    gaps: list[int], cuts: list[int], start_us: int | None
) -> None:
    times = np.cumsum(gaps)
    rng = np.random.default_rng(len(gaps))
    n = len(times)
    events = Events.of(times, rng.integers(0, 8, n), rng.integers(0, 6, n), rng.integers(0, 2, n))
    borders = [0, *sorted(min(cut, n) for cut in cuts), n]
    packets = [events[a:b] for a, b in itertools.pairwise(borders)]
    whole = run(Stepper(SMALL, 10, start_us=start_us, max_gap_us=40), events)
    cut = run(Stepper(SMALL, 10, start_us=start_us, max_gap_us=40), *packets)
    assert len(whole) == len(cut)
    for a, b in zip(whole, cut, strict=True):
        assert (a.t_us, a.events, a.newest_us, a.reset) == (b.t_us, b.events, b.newest_us, b.reset)
        np.testing.assert_array_equal(a.counts, b.counts)
    skipped = 0 if start_us is None else int((times < start_us).sum())
    assert sum(step.events for step in whole) == n - skipped
