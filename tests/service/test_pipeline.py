"""A recording to answers inside one process, and its parts: clipping, the picture maker."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

import pytest

from model.errors import BadSetting
from service.clipping import clipped
from service.options import DetectOptions
from service.pipeline import detect_recording
from streaming.errors import BrokenRecording
from streaming.events import Events
from streaming.source import SourceInfo
from tests.service.recordings import HEIGHT, WIDTH, events_array
from tests.service.tiny import STEP_US, tiny


class Listed:
    """A source of packets that are there already."""

    def __init__(self, packets: list[Events], fault: Exception | None = None) -> None:
        self.info = SourceInfo("list", WIDTH, HEIGHT)
        self._packets, self._fault = packets, fault

    def packets(self) -> Iterator[Events]:
        yield from self._packets
        if self._fault is not None:
            raise self._fault

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def packet(seed: int, duration_us: int, count: int, begin_us: int = 0) -> Events:
    events = events_array(seed, duration_us, count)
    return Events.of(events["t"] + begin_us, events["x"], events["y"], events["p"])


def in_parts(events: Events, size: int) -> list[Events]:
    return [events[begin : begin + size] for begin in range(0, len(events), size)]


@pytest.mark.parametrize("size", [1, 7, 500, 5_000])
def test_packets_make_no_difference(size: int) -> None:
    events = packet(0, 12 * STEP_US, 1_500, begin_us=10_000)
    whole = list(detect_recording(Listed([events]), tiny(), DetectOptions()))
    parts = list(detect_recording(Listed(in_parts(events, size)), tiny(), DetectOptions()))
    assert [answer.steps for answer in whole] == [5, 5, 2]
    assert sum(answer.events for answer in whole) == 1_500
    for one, other in zip(whole, parts, strict=True):
        assert (one.t_us, one.events, one.seq) == (other.t_us, other.events, other.seq)
        assert one.detections.xyxy.tobytes() == other.detections.xyxy.tobytes()


def test_a_gap_is_answered_up_to_it() -> None:
    events = [packet(0, 7 * STEP_US, 300), packet(1, 5 * STEP_US, 300, begin_us=60_000_000)]
    answers = list(detect_recording(Listed(events), tiny(), DetectOptions()))
    assert [answer.steps for answer in answers] == [5, 2, 5]
    assert answers[2].t_us[0] == 60_000_000


def test_an_empty_recording_has_no_answers() -> None:
    assert list(detect_recording(Listed([Events.empty()]), tiny(), DetectOptions())) == []


def test_a_fault_comes_after_the_answers_before_it() -> None:
    source = Listed([packet(0, 11 * STEP_US, 500)], BrokenRecording("the rest is missing"))
    answers = detect_recording(source, tiny(), DetectOptions())
    assert [next(answers).seq, next(answers).seq] == [0, 1]
    with pytest.raises(BrokenRecording, match="rest is missing"):
        list(answers)


@pytest.mark.parametrize(
    ("start_us", "end_us", "expected"),
    [
        (None, None, [0, 10, 20, 30]),
        (10, None, [10, 20, 30]),
        (11, 30, [20]),
        (None, 30, [0, 10, 20]),
        (31, None, []),
        (0, 1, [0]),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 4])
def test_clipping_counts_from_the_first_event(
    start_us: int | None, end_us: int | None, expected: list[int], size: int
) -> None:
    events = Events.of([1000, 1010, 1020, 1030], [0] * 4, [0] * 4, [0] * 4)
    kept = Events.concatenate(clipped([Events.empty(), *in_parts(events, size)], start_us, end_us))
    assert (kept.t_us - 1000).tolist() == expected


def test_clipping_stops_reading_behind_the_end() -> None:
    def endless() -> Iterator[Events]:
        for begin_us in range(0, 1_000_000, 100):
            assert begin_us < 1_000, "read on behind the end"
            yield Events.of([begin_us], [0], [0], [0])

    assert len(Events.concatenate(clipped(endless(), None, 500))) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": float("nan")},
        {"threshold": -0.1},
        {"iou": 1.1},
        {"stride": 0},
        {"stride": 1_000_000},
        {"width": 70_000},
        {"height": 0},
        {"start_us": 5, "end_us": 4},
    ],
)
def test_senseless_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadSetting):
        DetectOptions(**wrong)  # type: ignore[arg-type]  # a table of several types
