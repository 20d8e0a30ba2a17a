"""`StreamBatcher` against windows computed one by one from the zero state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from model.state import State
from service.answers import Answer
from service.inference import LaneOptions, Outcome, StreamBatcher, lane_options
from service.windows import Resume, WindowPlan
from streaming.letterbox import Letterbox
from streaming.step import Step
from tests.service.tiny import CARD, HEIGHT, STEPS, WIDTH, TinyDetector, step_of, stopped, tiny

SENSOR = Letterbox(WIDTH, HEIGHT, WIDTH, HEIGHT)


def options(stride: int = STEPS, threshold: float = 0.0) -> LaneOptions:
    return LaneOptions(SENSOR, threshold, 0.5, stride)


def answers_of(outcomes: Sequence[Outcome[int]], stream: str) -> list[Answer]:
    found = [(o.early, o.due) for o in outcomes if o.stream_id == stream]
    return [answer for pair in found for answer in pair if answer is not None]


def run(batcher: StreamBatcher[int], steps: Sequence[Step], stream: str = "a") -> list[Answer]:
    answers: list[Answer] = []
    for token, step in enumerate(steps):
        batcher.push(stream, step, token)
        answers += answers_of(batcher.run_once(), stream)
    return answers


def score_of(steps: Sequence[Step]) -> float:
    """The score of the box after a window from zero."""
    detector, state = TinyDetector(), TinyDetector().initial_state(1)
    for step in steps:
        output = detector.step(step.counts[None], state)
        state = output.state
    (found,) = detector.detections(output.maps, threshold=0.0, iou=0.5)
    return float(found.score[0])


def window_of(steps: Sequence[Step], count: int) -> Sequence[Step]:
    return steps[max(0, count - STEPS) : count]


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5, 7, 12])
def test_every_answer_is_the_exact_window_from_zero(stride: int) -> None:
    steps = [step_of(i) for i in range(26)]
    batcher: StreamBatcher[int] = StreamBatcher(tiny())
    batcher.open("a", options(stride))
    answers = run(batcher, steps)
    counts = [count for count in range(1, 27) if WindowPlan(STEPS, stride).answers(count)]
    assert len(answers) == len(counts)
    for answer, count in zip(answers, counts, strict=True):
        window = window_of(steps, count)
        assert answer.detections.score[0] == pytest.approx(score_of(window), rel=1e-6)
        assert answer.t_us == (window[0].t_us[0], window[-1].t_us[1])
        assert answer.steps == len(window)
    assert [answer.seq for answer in answers] == list(range(len(counts)))


@pytest.mark.parametrize("stride", [1, 2, 3, 5, 7, 50])
@pytest.mark.parametrize("length", [1, 3, 4, 5, 6, 13])
def test_the_end_is_answered_from_the_steps_it_has(stride: int, length: int) -> None:
    steps = [step_of(i) for i in range(length)]
    batcher: StreamBatcher[int] = StreamBatcher(tiny())
    batcher.open("a", options(stride))
    answers = run(batcher, steps)
    last = batcher.flush("a")
    assert (last is None) == (length % stride == 0)
    if last is not None:
        window = steps[length - last.steps :]
        assert 1 <= last.steps <= STEPS
        assert last.detections.score[0] == pytest.approx(score_of(window), rel=1e-6)
        assert last.t_us == (window[0].t_us[0], window[-1].t_us[1])
        answers.append(last)
    assert sum(answer.events for answer in answers) == sum(step.events for step in steps)
    assert batcher.flush("a") is None


@pytest.mark.parametrize("max_batch", [1, 3, 64])
def test_batched_equals_one_by_one(max_batch: int) -> None:
    strides = {"a": 5, "b": 2, "c": 1, "d": 7}
    steps = {name: [step_of(i, seed=at) for i in range(17)] for at, name in enumerate(strides)}
    together: StreamBatcher[int] = StreamBatcher(tiny(), max_batch, clock=stopped)
    for name, stride in strides.items():
        together.open(name, options(stride))
    outcomes: list[Outcome[int]] = []
    for i in range(17):
        for name in strides:
            together.push(name, steps[name][i], i)
        outcomes += together.run_once()
    for name, stride in strides.items():
        alone: StreamBatcher[int] = StreamBatcher(tiny())
        alone.open("a", options(stride))
        for one, other in zip(run(alone, steps[name]), answers_of(outcomes, name), strict=True):
            np.testing.assert_allclose(one.detections.xyxy, other.detections.xyxy, rtol=1e-6)
            assert one.detections.score.tolist() == pytest.approx(other.detections.score.tolist(), rel=1e-6)
            assert one.spikes.rate == pytest.approx(other.spikes.rate)
            assert (one.t_us, one.events, one.spikes.synops) == (
                other.t_us,
                other.events,
                other.spikes.synops,
            )


def test_rows_never_pass_the_largest_batch() -> None:
    detector = TinyDetector()
    batcher: StreamBatcher[int] = StreamBatcher(detector, 4, clock=stopped)  # type: ignore[arg-type]  # like one
    for at in range(6):
        batcher.open(str(at), options(1))
    for i in range(5):
        for at in range(6):
            batcher.push(str(at), step_of(i, seed=at), i)
        batcher.run_once()
    assert max(detector.batches) == 4
    assert sum(detector.batches[-8:]) == 30  # the last run: six streams of five lanes


def test_a_step_of_each_stream_a_run() -> None:
    batcher: StreamBatcher[int] = StreamBatcher(tiny(), clock=stopped)
    batcher.open("a", options())
    batcher.open("b", options())
    for token in range(3):
        batcher.push("a", step_of(token), token)
    batcher.push("b", step_of(0, seed=1), 7)
    assert [(o.stream_id, o.token) for o in batcher.run_once()] == [("a", 0), ("b", 7)]
    assert batcher.running == ["a", "b"]
    assert [(o.stream_id, o.token) for o in batcher.run_once()] == [("a", 1)]
    assert batcher.running == ["a"]
    assert batcher.pending == 1


def test_steps_that_cost_nothing_wait_for_no_turn() -> None:
    detector = TinyDetector()
    batcher: StreamBatcher[int] = StreamBatcher(detector, clock=stopped)  # type: ignore[arg-type]  # like one
    batcher.open("a", options())
    for token in range(12):
        batcher.push("a", step_of(token, events=0 if token < 11 else 5), token)
    outcomes = batcher.run_once()
    assert [outcome.token for outcome in outcomes] == list(range(12))
    assert [outcome.count for outcome in outcomes if outcome.due is not None] == [5, 10]
    assert detector.batches == [1, 1]  # the prefix of one empty step, and the step with events


def test_a_reset_answers_what_was_before_and_forgets_it() -> None:
    before = [step_of(i) for i in range(7)]
    after = [step_of(100 + i, reset="gap" if i == 0 else None) for i in range(5)]
    batcher: StreamBatcher[int] = StreamBatcher(tiny())
    batcher.open("a", options())
    answers = run(batcher, [*before, *after])
    assert [answer.steps for answer in answers] == [5, 2, 5]
    assert answers[1].detections.score[0] == pytest.approx(score_of(before[5:]), rel=1e-6)
    assert answers[2].detections.score[0] == pytest.approx(score_of(after), rel=1e-6)
    assert answers[2].t_us == (after[0].t_us[0], after[-1].t_us[1])
    assert sum(answer.events for answer in answers) == sum(step.events for step in [*before, *after])


def test_restart_forgets_as_a_reset_does() -> None:
    batcher: StreamBatcher[int] = StreamBatcher(tiny())
    batcher.open("a", options())
    run(batcher, [step_of(i) for i in range(3)])
    batcher.push("a", step_of(9), 9, restart=True)
    (outcome,) = batcher.run_once()
    assert outcome.early is not None
    assert outcome.early.steps == 3
    assert outcome.due is None
    assert (outcome.count, outcome.answered) == (1, 0)


@pytest.mark.parametrize("empties", [0, 1, 3, 4])
@pytest.mark.parametrize("stride", [2, 5])
def test_empty_steps_leave_the_state_right(empties: int, stride: int) -> None:
    steps = [step_of(i, events=0 if i % 5 < empties or i > 10 else 50) for i in range(15)]
    batcher: StreamBatcher[int] = StreamBatcher(tiny())
    batcher.open("a", options(stride))
    for answer in run(batcher, steps):
        window = [step for step in steps if answer.t_us[0] <= step.t_us[0] < answer.t_us[1]]
        if any(step.events for step in window):
            assert answer.detections.score[0] == pytest.approx(score_of(window), rel=1e-6)
        else:
            assert len(answer.detections) == 0


def test_an_empty_window_needs_no_inference() -> None:
    detector = TinyDetector()
    batcher: StreamBatcher[int] = StreamBatcher(detector)  # type: ignore[arg-type]  # behaves like one
    batcher.open("a", options())
    (answer,) = run(batcher, [step_of(i, events=0) for i in range(5)])
    assert detector.batches == []
    assert (len(answer.detections), answer.events, answer.spikes.synops) == (0, 0, 0.0)
    assert answer.t_us == (0, 5_000)


def test_a_threshold_changes_the_next_answer() -> None:
    steps = [step_of(i) for i in range(10)]
    batcher: StreamBatcher[int] = StreamBatcher(tiny())
    batcher.open("a", options())
    run(batcher, steps[:9])
    batcher.update("a", threshold=0.99)
    assert len(run(batcher, steps[9:])[0].detections) == 0


def test_spikes_are_those_of_the_window() -> None:
    steps = [step_of(i) for i in range(5)]
    batcher: StreamBatcher[int] = StreamBatcher(tiny())
    batcher.open("a", options())
    (answer,) = run(batcher, steps)
    detector, state = TinyDetector(), TinyDetector().initial_state(1)
    outputs = []
    for step in steps:
        outputs.append(detector.step(step.counts[None], state))
        state = outputs[-1].state
    assert answer.spikes.synops == sum(float(o.activity.synops[0]) for o in outputs)
    assert answer.spikes.energy_mj == pytest.approx(
        sum(float(detector.energy(o.activity)[0]) for o in outputs)
    )
    assert answer.spikes.rate == pytest.approx(np.mean([o.activity.rate for o in outputs]))


def test_boxes_come_in_sensor_pixels() -> None:
    batcher: StreamBatcher[int] = StreamBatcher(tiny())
    batcher.open("a", lane_options(CARD, 2 * WIDTH, 2 * HEIGHT, {"threshold": 0.0}))
    (answer,) = run(batcher, [step_of(i) for i in range(5)])
    top, bottom = float(answer.detections.xyxy[0, 1]), float(answer.detections.xyxy[0, 3])
    assert (top, bottom) == (4.0, 44.0)  # 2 and 22 on the grid


def test_lane_options_take_the_cards_values() -> None:
    assert lane_options(CARD, 10, 20, {"threshold": None}) == LaneOptions(
        Letterbox(10, 20, WIDTH, HEIGHT), CARD.threshold, CARD.iou, STEPS
    )


@pytest.mark.parametrize("stride", [1, 2, 3, 5, 7, 12])
@pytest.mark.parametrize("died_after", [1, 4, 5, 6, 11])
def test_resume_goes_on_as_if_nothing_had_happened(stride: int, died_after: int) -> None:
    steps = [step_of(i) for i in range(25)]
    whole: StreamBatcher[int] = StreamBatcher(tiny())
    whole.open("a", options(stride))
    expected = run(whole, steps)
    first: StreamBatcher[int] = StreamBatcher(tiny())
    first.open("a", options(stride))
    given = run(first, steps[:died_after])
    plan, answered = WindowPlan(STEPS, stride), died_after // stride * stride
    begin = plan.needed_from(died_after)
    gone = sum(step.events for step in steps[answered:begin])
    second: StreamBatcher[int] = StreamBatcher(tiny())
    second.open("a", options(stride), Resume(begin, answered, gone))
    given += run(second, steps[begin:])
    assert [a.t_us for a in given] == [a.t_us for a in expected]
    assert [a.events for a in given] == [a.events for a in expected]
    for one, other in zip(given, expected, strict=True):
        assert one.detections.score.tolist() == pytest.approx(other.detections.score.tolist(), rel=1e-6)


def test_what_is_misused_is_refused() -> None:
    batcher: StreamBatcher[int] = StreamBatcher(tiny())
    batcher.open("a", options())
    with pytest.raises(ValueError, match="open already"):
        batcher.open("a", options())
    batcher.push("a", step_of(0), 0)
    with pytest.raises(ValueError, match="still has 1 steps"):
        batcher.flush("a")
    batcher.close("a")
    batcher.close("a")
    assert "a" not in batcher
    with pytest.raises(KeyError):
        batcher.push("a", step_of(0), 0)


def test_warm_up_runs_a_whole_window() -> None:
    detector = TinyDetector()
    batcher: StreamBatcher[int] = StreamBatcher(detector)  # type: ignore[arg-type]  # behaves like one
    batcher.warm_up()
    assert detector.batches == [1, 1, *[1] * STEPS, 4, 4]
    assert isinstance(detector.initial_state(1), State)
