"""`RecordedPart`: windows out of recordings in many formats, compared with counting event by event."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streaming.events import Events
from tests.training.datasets.made import HEIGHT, WIDTH, counted, events_of, timed, write
from training.datasets import IGNORED, BoxRule, Cut, TimedBoxes
from training.datasets.recorded import AT_END, RecordedPart
from training.errors import BadDataset

EVERY_BOX = BoxRule(min_diagonal_px=0, min_side_px=0, skip_us=0)
CUT = Cut(steps=3, step_us=5_000, rule=EVERY_BOX)
BOX = (10, 20, 40, 50)


def part(recording: Path, boxes: TimedBoxes, **options: object) -> RecordedPart:
    return RecordedPart("part", recording, lambda: boxes, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a.npy", "a.csv", "a.aedat4", "a.raw"])
def test_windows_are_the_steps_that_end_at_each_moment(name: str, tmp_path: Path) -> None:
    events = events_of(1)
    recording = write(events, tmp_path / name)
    moments = [7_001, 40_000, 42_000, 90_000]  # the first before a full window, two that overlap
    labels = timed(moments, [(40_000, BOX, 2), (90_000, BOX, 1)])
    windows = list(part(recording, labels, size=(WIDTH, HEIGHT)).windows(CUT))
    assert [w.label.tolist() for w in windows] == [[], [2], [], [1]]
    for window, moment in zip(windows, moments, strict=True):
        expected = counted(events, moment, CUT.steps, CUT.step_us, (WIDTH, HEIGHT))
        np.testing.assert_array_equal(window.dense(), expected)
        assert (np.diff(window.cell.astype(np.int64)) > 0).all()
    np.testing.assert_array_equal(windows[1].xyxy, [BOX])


def test_an_event_at_the_moment_is_not_in_the_window(tmp_path: Path) -> None:
    events = Events.of([0, 85_000, 94_999, 95_000, 99_999, 100_000], [1] * 6, [2] * 6, [1] * 6)
    recording = write(events, tmp_path / "a.npy")
    (window,) = part(recording, timed([100_000]), size=(WIDTH, HEIGHT)).windows(CUT)
    assert window.dense().sum((1, 2, 3)).tolist() == [1, 1, 2]


def test_the_end_of_a_recording_is_a_moment(tmp_path: Path) -> None:
    events = events_of(2, begin_us=1_700_000_000_000_000)
    recording = write(events, tmp_path / "a.npy")
    labels = timed([AT_END], [(AT_END, BOX, 0)])
    (window,) = part(recording, labels, size=(WIDTH, HEIGHT), shift_us=5).windows(CUT)
    expected = counted(events, int(events.t_us[-1]) + 1, CUT.steps, CUT.step_us, (WIDTH, HEIGHT))
    np.testing.assert_array_equal(window.dense(), expected)
    assert window.label.tolist() == [0]


def test_shift_moves_labels_to_the_recordings_clock(tmp_path: Path) -> None:
    recording = write(events_of(3, begin_us=1_000_000), tmp_path / "a.npy")
    shifted = part(recording, timed([50_000], [(50_000, BOX, 0)]), size=(WIDTH, HEIGHT), shift_us=1_000_000)
    plain = part(recording, timed([1_050_000], [(1_050_000, BOX, 0)]), size=(WIDTH, HEIGHT))
    (one,), (other,) = shifted.windows(CUT), plain.windows(CUT)
    np.testing.assert_array_equal(one.dense(), other.dense())
    assert one.label.tolist() == [0]


def test_moments_near_the_start_are_left_out_and_counts_saturate(tmp_path: Path) -> None:
    many = Events.of(np.arange(1_000) * 100, [5] * 1_000, [6] * 1_000, [0] * 1_000)
    recording = write(many, tmp_path / "a.npy")
    cut = Cut(2, 40_000, BoxRule(0, 0, skip_us=20_000))
    windows = list(part(recording, timed([10_000, 20_000, 90_000]), size=(WIDTH, HEIGHT)).windows(cut))
    assert [w.count.tolist() for w in windows] == [[255, 255]]


def test_a_moment_far_beyond_the_recording_is_left_out(tmp_path: Path) -> None:
    recording = write(events_of(4), tmp_path / "a.npy")
    windows = list(part(recording, timed([50_000, 5_000_000]), size=(WIDTH, HEIGHT)).windows(CUT))
    assert len(windows) == 1


def test_boxes_are_clipped_told_apart_and_single(tmp_path: Path) -> None:
    recording = write(events_of(5), tmp_path / "a.npy")
    boxes = [
        (50_000, (-10, -5, 40, 50), 0),  # over the border
        (50_000, (60, 30, 70, 60), 1),  # too small
        (50_000, (10, 10, 50, 50), 1),
        (50_000, (10, 10, 50, 50), 1),  # the same again
        (50_000, (10, 10, 50, 50), 2),
        (50_000, (0, 0, 60, 60), IGNORED),
    ]
    rule = BoxRule(min_diagonal_px=35, min_side_px=10, skip_us=0)
    labels = timed([50_000], boxes)
    (window,) = part(recording, labels, size=(WIDTH, HEIGHT)).windows(Cut(3, 5_000, rule))
    assert window.xyxy.tolist() == [[0, 0, 40, 50], [10, 10, 50, 50], [10, 10, 50, 50]]
    assert window.label.tolist() == [0, 1, 2]
    assert window.ignore.tolist() == [[60, 30, 70, 60], [0, 0, 60, 60]]


GOOD = (50_000, BOX, 0)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (timed([50_000], [(50_000, (96, 0, 120, 20), 0)]), "box 0 .* lies outside the 96 x 64 sensor"),
        (timed([50_000], [GOOD, (50_000, (10, 70, 20, 90), 0)]), "box 1 .* outside .* 1 of 2 boxes"),
        (timed([50_000], [(50_000, (40, 20, 10, 50), 0)]), "has no area"),
        (timed([50_000], [(50_000, (np.nan, 20, 10, 50), 0)]), "has no area"),
        (timed([50_000], [(40_000, BOX, 0)]), "at none of the labelled moments"),
        (timed([50_000, 40_000]), "moments run backward from 50000 us to 40000 us"),
        (timed([9_000_000, 9_900_000]), "9000000 to 9900000 us, its events at .* do not meet"),
    ],
)
def test_bad_labels_are_named(labels: TimedBoxes, says: str, tmp_path: Path) -> None:
    recording = write(events_of(6), tmp_path / "a.npy")
    bad = part(recording, labels, size=(WIDTH, HEIGHT), labels=tmp_path / "a.xml")
    with pytest.raises(BadDataset, match=says) as caught:
        list(bad.windows(CUT))
    assert str(tmp_path) in str(caught.value)


def test_boxes_outside_may_be_dropped_but_not_most_of_them(tmp_path: Path) -> None:
    recording = write(events_of(7), tmp_path / "a.npy")
    outside = (50_000, (200, 10, 230, 40), 0)
    some = part(recording, timed([50_000], [GOOD, outside]), size=(WIDTH, HEIGHT), drop_outside=True)
    assert [w.xyxy.tolist() for w in some.windows(CUT)] == [[list(BOX)]]
    most = part(recording, timed([50_000], [outside]), size=(WIDTH, HEIGHT), drop_outside=True)
    with pytest.raises(BadDataset, match="outside"):
        list(most.windows(CUT))


def test_a_recording_of_another_sensor_is_refused(tmp_path: Path) -> None:
    recording = write(events_of(8), tmp_path / "a.raw")
    with pytest.raises(BadDataset, match=r"has 96 x 64 pixels, but .* is of 304 x 240"):
        list(part(recording, timed([50_000]), size=(304, 240)).windows(CUT))


def test_a_broken_recording_is_named(tmp_path: Path) -> None:
    recording = write(events_of(9), tmp_path / "a.npy")
    recording.write_bytes(recording.read_bytes()[:-9_001])
    with pytest.raises(BadDataset, match=r"a\.npy: cannot be read: .* ends at row"):
        list(part(recording, timed([99_999]), size=(WIDTH, HEIGHT)).windows(CUT))
    with pytest.raises(BadDataset, match=r"no file at .*gone\.npy"):
        list(part(tmp_path / "gone.npy", timed([99_999]), size=(WIDTH, HEIGHT)).windows(CUT))


def test_a_recording_without_events_is_named(tmp_path: Path) -> None:
    recording = write(events_of(9)[:0], tmp_path / "a.npy")
    with pytest.raises(BadDataset, match="holds no event"):
        list(part(recording, timed([50_000]), size=(WIDTH, HEIGHT)).windows(CUT))
