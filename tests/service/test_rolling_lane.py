"""Rolling streams: an answer every step from a state that lasts, against plain float64 sums."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from model.rolling import rolling_decay, silent_steps
from service.answers import Answer
from service.inference import LaneOptions, StreamBatcher, lane_options
from service.options import DetectOptions
from service.pipeline import detect_recording
from service.windows import Resume, WindowPlan, plan_of
from streaming.letterbox import Letterbox
from streaming.step import Step
from tests.service.test_pipeline import Listed, packet
from tests.service.tiny import (
    BIAS,
    CARD,
    HEIGHT,
    LEAK,
    ROLLING,
    STEP_US,
    STEPS,
    WIDTH,
    SlowDetector,
    TinyDetector,
    step_of,
    tiny,
)

SENSOR = Letterbox(WIDTH, HEIGHT, WIDTH, HEIGHT)
DECAY = rolling_decay(STEPS)
SILENCE = silent_steps(ROLLING.network_layout(), STEPS)


def batcher_of(
    detector: TinyDetector, stride: int | None = None, resume: Resume | None = None
) -> StreamBatcher[int]:
    batcher: StreamBatcher[int] = StreamBatcher(detector)  # type: ignore[arg-type]  # behaves like one
    batcher.open("a", LaneOptions(SENSOR, 0.0, 0.5, stride), resume)
    return batcher


def run(batcher: StreamBatcher[int], steps: Sequence[Step]) -> list[Answer]:
    answers: list[Answer] = []
    for token, step in enumerate(steps):
        batcher.push("a", step, token)
        for outcome in batcher.run_once():
            answers += [answer for answer in (outcome.early, outcome.due) if answer is not None]
    return answers


def scores(steps: Sequence[Step]) -> list[float]:
    """What the tiny detector's box scores after each step, all steps run, in float64."""
    membrane = total = weight = 0.0
    found = []
    for step in steps:
        membrane = LEAK * membrane + step.counts.astype(np.float64).mean() + BIAS  # linear, so means will do
        total, weight = DECAY * total + membrane, DECAY * weight + 1
        found.append(total / weight / (1 + total / weight))
    return found


def test_every_step_is_answered_from_all_before_it() -> None:
    steps = [step_of(i) for i in range(40)]
    answers = run(batcher_of(tiny(ROLLING)), steps)
    assert [float(a.detections.score[0]) for a in answers] == pytest.approx(scores(steps), rel=1e-5)
    assert [a.t_us for a in answers] == [
        (max(0, i + 1 - STEPS) * STEP_US, (i + 1) * STEP_US) for i in range(40)
    ]
    assert [a.steps for a in answers] == [min(i + 1, STEPS) for i in range(40)]
    assert [a.events for a in answers] == [step.events for step in steps]


@pytest.mark.parametrize("stride", [2, 3, 5, 9])
def test_a_stride_answers_more_seldom_from_the_same_state(stride: int) -> None:
    steps = [step_of(i) for i in range(20)]
    batcher = batcher_of(tiny(ROLLING), stride)
    answers = run(batcher, steps)
    assert [float(a.detections.score[0]) for a in answers] == pytest.approx(
        scores(steps)[stride - 1 :: stride], rel=1e-5
    )
    last = batcher.flush("a")
    assert (last is None) == (20 % stride == 0)
    answers += [] if last is None else [last]
    assert sum(a.events for a in answers) == sum(step.events for step in steps)


def test_spikes_are_those_since_the_answer_before() -> None:
    answers = run(batcher_of(tiny(ROLLING), 2), [step_of(i) for i in range(8)])
    each = run(batcher_of(tiny(ROLLING)), [step_of(i) for i in range(8)])
    for at, answer in enumerate(answers):
        parts = each[2 * at : 2 * at + 2]
        assert answer.spikes.synops == sum(part.spikes.synops for part in parts)
        assert answer.spikes.rate == pytest.approx(np.mean([part.spikes.rate for part in parts]))


def test_a_step_costs_a_row_however_often_it_is_answered() -> None:
    detector = TinyDetector(ROLLING)
    run(batcher_of(detector), [step_of(i) for i in range(12)])
    assert detector.batches == [1] * 12


def test_a_reset_forgets_everything() -> None:
    before = [step_of(i) for i in range(9)]
    after = [step_of(50 + i, reset="gap" if i == 0 else None) for i in range(6)]
    answers = run(batcher_of(tiny(ROLLING)), [*before, *after])
    assert [float(a.detections.score[0]) for a in answers[9:]] == pytest.approx(scores(after), rel=1e-5)
    assert answers[9].t_us == after[0].t_us


def test_the_state_decays_by_empty_steps_then_rests_and_costs_nothing() -> None:
    detector = TinyDetector(ROLLING)
    steps = [step_of(i, events=200 if i < 3 else 0) for i in range(60)]
    answers = run(batcher_of(detector), steps)
    assert len(answers) == 60
    decaying = 3 + SILENCE
    assert len(detector.batches) == decaying
    found = [float(a.detections.score[0]) for a in answers[:decaying]]
    assert found == pytest.approx(scores(steps)[:decaying], rel=1e-5)
    assert {len(a.detections) for a in answers[decaying:]} == {0}
    assert {a.spikes.synops for a in answers[decaying:]} == {0.0}


def test_after_silence_next_to_nothing_is_left_of_what_was_before() -> None:
    busy, empty = [step_of(i, events=900) for i in range(30)], 50
    later = [step_of(100 + i, events=300) for i in range(10)]
    steps = [*busy, *(step_of(30 + i, events=0) for i in range(empty)), *later]
    answers = run(batcher_of(tiny(ROLLING)), steps)[-10:]
    for answer, exact in zip(answers, scores(steps)[-10:], strict=True):
        assert float(answer.detections.score[0]) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("empties", [1, 4, 11, 12, 13, 40])
def test_leading_silence_is_made_up_for(empties: int) -> None:
    detector = TinyDetector(ROLLING)
    steps = [step_of(i, events=0 if i < empties else 300) for i in range(empties + 3)]
    answers = run(batcher_of(detector), steps)
    assert len(detector.batches) == min(empties, SILENCE) + 3
    found = [float(a.detections.score[0]) for a in answers[empties:]]
    assert found == pytest.approx(scores(steps)[empties:], rel=1e-5 if empties <= SILENCE else 0.02)
    assert {len(a.detections) for a in answers[:empties]} == {0}


def test_a_burst_of_empty_steps_is_done_at_once() -> None:
    detector = TinyDetector(ROLLING)
    batcher = batcher_of(detector)
    for token in range(100):
        batcher.push("a", step_of(token, events=0), token)
    assert len(batcher.run_once()) == 100
    assert detector.batches == []


def test_under_load_one_answer_stands_for_those_of_the_steps_joined() -> None:
    detector = SlowDetector(0.0, 3 * STEP_US / 1e6, ROLLING)
    batcher: StreamBatcher[int] = StreamBatcher(detector, clock=detector.clock)  # type: ignore[arg-type]  # like one
    batcher.open("a", LaneOptions(SENSOR, 0.0, 0.5))
    answers: list[Answer] = []
    pushed = 0
    while pushed < 120:
        while pushed < 120 and pushed * STEP_US / 1e6 <= detector.now_s + 1e-9:
            batcher.push("a", step_of(pushed, events=50), pushed, joins=True)
            pushed += 1
        answers += [outcome.due for outcome in batcher.run_once() if outcome.due is not None]
    while batcher.pending:
        answers += [outcome.due for outcome in batcher.run_once() if outcome.due is not None]
    assert sum(answer.events for answer in answers) == 120 * 50
    assert 35 <= len(answers) <= 45
    assert all(STEPS <= a.steps + a.joined < 2 * STEPS for a in answers[5:])
    assert len(detector.batches) == len(answers)


def test_a_new_worker_warms_up_with_the_last_steps_and_answers_none_twice() -> None:
    steps = [step_of(i) for i in range(20)]
    plan = plan_of(ROLLING, None)
    begin = plan.needed_from(12)
    assert begin == 12 + 1 - STEPS
    answers = run(batcher_of(tiny(ROLLING), resume=Resume(begin, 12, 0)), steps[begin:])
    assert [a.t_us[1] for a in answers] == [(i + 1) * STEP_US for i in range(12, 20)]
    assert [a.events for a in answers] == [step.events for step in steps[12:]]
    # the state before is lost but for T steps: near at once, and then as if nothing had happened
    found = [float(a.detections.score[0]) for a in answers]
    assert found == pytest.approx(scores(steps)[12:], rel=0.05)
    assert found[-1] == pytest.approx(scores(steps)[-1], rel=0.005)


def test_rolling_is_the_cards_choice() -> None:
    assert plan_of(ROLLING, None) == WindowPlan(STEPS, 1, rolling=True)
    assert plan_of(CARD, None) == WindowPlan(STEPS, STEPS)
    assert plan_of(ROLLING, 3).stride == 3
    assert lane_options(ROLLING, 10, 20, {}).stride == 1


def test_a_recording_rolls_too() -> None:
    events = packet(0, 12 * STEP_US, 1_500, begin_us=10_000)
    answers = list(detect_recording(Listed([events]), tiny(ROLLING), DetectOptions()))
    assert len(answers) == 12
    assert sum(answer.events for answer in answers) == 1_500
