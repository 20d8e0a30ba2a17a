"""Ids and changes in answers: which boxes a tracker sees, what is told of its tracks, and when they end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from model.detections import Detections
from model.tracking.tracks import NO_TRACK, Change, TrackChange, Tracked
from service.answers import Answer
from service.inference import LaneOptions, StreamBatcher, lane_options
from service.options import DetectOptions
from service.pipeline import detect_recording
from streaming.letterbox import Letterbox
from streaming.step import Step
from tests.service.test_pipeline import Listed, packet
from tests.service.tiny import CARD, CLASSES, HEIGHT, STEP_US, STEPS, WIDTH, step_of, tiny

SENSOR = Letterbox(WIDTH, HEIGHT, WIDTH, HEIGHT)


@dataclass
class FakeTracker:
    """One track for the first box, which is new, goes on, and is lost where there is no box."""

    next_id: int
    floor: float
    running: int | None = None
    begun_us: int = 0
    seen: list[tuple[Detections, int]] = field(default_factory=list)

    def update(self, detections: Detections, t_us: int) -> Tracked:
        self.seen.append((detections, t_us))
        ids = np.full(len(detections), NO_TRACK, np.int64)
        change: Change = "update"
        if len(detections) and self.running is None:
            self.running, self.next_id, self.begun_us, change = self.next_id, self.next_id + 1, t_us, "new"
        if not len(detections) and self.running is not None:
            change = "lost"
        ids[:1] = self.running or NO_TRACK
        return Tracked(ids, () if self.running is None else (self._change(change, t_us),))

    def end_all(self) -> tuple[TrackChange, ...]:
        ended = () if self.running is None else (self._change("end", self.seen[-1][1]),)
        self.running = None
        return ended

    def _change(self, change: Change, t_us: int) -> TrackChange:
        assert self.running is not None
        box = (0.0, 0.0, 1.0, 1.0)
        return TrackChange(
            change, self.running, 0, 0.5, box, (0.0, 0.0), (1.0, 0.0, 0.0), t_us, self.begun_us
        )


class Made:
    """Makes trackers and keeps them."""

    def __init__(self, floor: float = 0.0) -> None:
        self.floor, self.trackers, self.thresholds = floor, list[FakeTracker](), list[float]()

    def __call__(self, classes: tuple[str, ...], next_id: int, threshold: float) -> FakeTracker:
        assert classes == CLASSES
        self.thresholds.append(threshold)
        self.trackers.append(FakeTracker(next_id, self.floor))
        return self.trackers[-1]


def batcher_of(made: Made, threshold: float, next_id: int = 1) -> StreamBatcher[int]:
    batcher: StreamBatcher[int] = StreamBatcher(tiny(), make_tracker=made)
    batcher.open("a", LaneOptions(SENSOR, threshold, 0.5, STEPS, track=True), next_track_id=next_id)
    return batcher


def run(batcher: StreamBatcher[int], steps: Sequence[Step], **chosen: bool) -> list[Answer]:
    answers: list[Answer] = []
    for token, step in enumerate(steps):
        batcher.push("a", step, token, **(chosen if token == 0 else {}))
        for outcome in batcher.run_once():
            answers += [answer for answer in (outcome.early, outcome.due) if answer is not None]
    return answers


def told(answers: Sequence[Answer]) -> list[list[tuple[str, int]]]:
    return [[(change.change, change.track_id) for change in answer.changes] for answer in answers]


def test_boxes_keep_their_track() -> None:
    answers = run(batcher_of(Made(), 0.0, next_id=7), [step_of(i) for i in range(15)])
    assert told(answers) == [[("new", 7)], [("update", 7)], [("update", 7)]]
    assert [answer.to_message()["boxes"][0]["track_id"] for answer in answers] == [7, 7, 7]


def test_the_tracker_sees_weak_boxes_and_viewers_do_not() -> None:
    made = Made(floor=0.0)
    answers = run(batcher_of(made, threshold=1.0), [step_of(i) for i in range(10)])
    assert [len(found) for found, _ in made.trackers[0].seen] == [1, 1]
    assert [t_us for _, t_us in made.trackers[0].seen] == [5 * STEP_US, 10 * STEP_US]
    assert told(answers) == [[("new", 1)], [("update", 1)]]
    for answer in answers:
        assert answer.track_ids is not None
        assert (len(answer.detections), len(answer.track_ids)) == (0, 0)


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.9])
def test_boxes_shown_are_those_without_a_tracker(threshold: float) -> None:
    plain: StreamBatcher[int] = StreamBatcher(tiny())
    plain.open("a", LaneOptions(SENSOR, threshold, 0.5, STEPS))
    steps = [step_of(i) for i in range(10)]
    for one, other in zip(
        run(plain, steps), run(batcher_of(Made(floor=0.05), threshold), steps), strict=True
    ):
        assert one.detections.xyxy.tobytes() == other.detections.xyxy.tobytes()
        assert one.detections.score.tobytes() == other.detections.score.tobytes()
        assert (one.track_ids, one.changes) == (None, ())


def test_a_window_without_events_is_an_answer_for_the_tracker_too() -> None:
    steps = [step_of(i, events=50 if i < 5 else 0) for i in range(10)]
    assert told(run(batcher_of(Made(), 0.0), steps)) == [[("new", 1)], [("lost", 1)]]


def test_a_reset_ends_tracks_with_the_answer_before_it() -> None:
    made = Made()
    steps = [step_of(i) for i in range(7)] + [
        step_of(i, reset="gap" if i == 50 else None) for i in range(50, 55)
    ]
    answers = run(batcher_of(made, 0.0), steps)
    assert told(answers) == [[("new", 1)], [("update", 1), ("end", 1)], [("new", 2)]]
    assert [answer.t_us[1] for answer in answers] == [5 * STEP_US, 7 * STEP_US, 55 * STEP_US]


def test_without_such_an_answer_the_next_one_tells_of_the_ends() -> None:
    steps = [step_of(i) for i in range(5)] + [
        step_of(i, reset="gap" if i == 50 else None) for i in range(50, 55)
    ]
    assert told(run(batcher_of(Made(), 0.0), steps)) == [[("new", 1)], [("end", 1), ("new", 2)]]


def test_backward_time_is_no_concern_of_the_next_tracker() -> None:
    made = Made()
    later = [step_of(i) for i in range(50, 55)]
    earlier = [step_of(i, reset="backward_time" if i == 0 else None) for i in range(5)]
    run(batcher_of(made, 0.0), [*later, *earlier])
    assert [[t_us for _, t_us in tracker.seen] for tracker in made.trackers] == [
        [55 * STEP_US],
        [5 * STEP_US],
    ]
    assert [tracker.next_id for tracker in made.trackers] == [2, 3]


def test_steps_given_up_under_load_end_no_tracks() -> None:
    batcher = batcher_of(Made(), 0.0)
    run(batcher, [step_of(i) for i in range(5)])
    answers = run(batcher, [step_of(i) for i in range(20, 25)], restart=True)
    assert told(answers) == [[("update", 1)]]
    answers = run(batcher, [step_of(i) for i in range(30, 35)], ends_tracks=True)
    assert told(answers) == [[("end", 1), ("new", 2)]]


def test_a_rest_ends_no_tracks() -> None:
    """Who stands still for a moment keeps the name."""
    batcher = batcher_of(Made(), 0.0)
    run(batcher, [step_of(i) for i in range(3)])
    rest = batcher.flush("a")
    assert rest is not None
    after = run(batcher, [step_of(i) for i in range(9, 14)])
    assert told([rest, *after]) == [[("new", 1)], [("update", 1)]]


def test_a_new_threshold_counts_for_the_tracker_when_the_stream_begins_anew() -> None:
    made = Made()
    batcher = batcher_of(made, 0.25)
    batcher.update("a", threshold=0.5)
    run(batcher, [step_of(0, reset="gap")])
    assert made.thresholds == [0.25, 0.5]


def test_tracking_is_asked_for() -> None:
    assert not lane_options(CARD, 10, 20, {}).track
    assert lane_options(CARD, 10, 20, {"track": True}).track


def test_a_recording_is_tracked_with_the_real_tracker() -> None:
    events = packet(0, 40 * STEP_US, 20_000)
    answers = list(detect_recording(Listed([events]), tiny(), DetectOptions(track=True)))
    assert len(answers) == 8
    names = {box["track_id"] for answer in answers[3:] for box in answer.to_message()["boxes"]}
    assert names == {1}
    assert [change.change for answer in answers for change in answer.changes].count("new") == 1
    plain = list(detect_recording(Listed([events]), tiny(), DetectOptions()))
    for one, other in zip(answers, plain, strict=True):
        assert one.detections.xyxy.tobytes() == other.detections.xyxy.tobytes()
        assert other.track_ids is None
