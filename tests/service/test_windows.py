"""Which steps answers look at: checked against windows written out by hand."""

from __future__ import annotations

import pytest

from service.windows import WindowPlan

SHAPES = [(5, 5), (5, 1), (5, 2), (5, 3), (5, 7), (5, 10), (1, 1), (1, 3), (4, 4)]


@pytest.mark.parametrize(("steps", "stride"), SHAPES)
def test_a_lane_begins_where_a_window_begins(steps: int, stride: int) -> None:
    plan = WindowPlan(steps, stride)
    starts = {plan.window_start(count) for count in range(1, 60) if plan.answers(count)}
    assert {index for index in range(40) if plan.lane_begins(index)} == {s for s in starts if s < 40}


@pytest.mark.parametrize(("steps", "stride"), SHAPES)
def test_no_later_answer_looks_before_needed_from(steps: int, stride: int) -> None:
    plan = WindowPlan(steps, stride)
    for count in range(40):
        later = [plan.window_start(n) for n in range(count + 1, count + 60) if plan.answers(n)]
        assert plan.needed_from(count) <= min(later)
        assert plan.needed_from(count) >= max(0, count + 1 - steps) or plan.needed_from(count) == min(later)


def test_answers_come_every_stride_steps() -> None:
    plan = WindowPlan(5, 3)
    assert [count for count in range(13) if plan.answers(count)] == [3, 6, 9, 12]
    assert [plan.window_start(count) for count in (3, 6, 9, 12)] == [0, 1, 4, 7]
    assert [plan.next_answer(count) for count in (0, 2, 3, 5)] == [3, 3, 6, 6]


@pytest.mark.parametrize(
    ("stride", "count", "most", "joined"),
    [
        (5, 0, 3, 3),
        (5, 0, 9, 5),  # the window's end is an answer
        (5, 3, 9, 2),
        (5, 4, 9, 1),
        (7, 0, 9, 2),  # the window begins with step 2
        (7, 2, 9, 5),
        (20, 0, 99, 5),  # nobody looks at them, but no more than T
        (2, 0, 1, 1),
        (2, 0, 2, 2),
        (2, 0, 3, 2),  # to an answer
        (2, 0, 9, 4),  # over an answer, to the last one within T
        (2, 1, 9, 5),
        (1, 0, 9, 5),
        (1, 7, 3, 3),
        (3, 1, 9, 5),
        (3, 1, 4, 2),
    ],
)
def test_steps_are_joined_up_to_an_answer(stride: int, count: int, most: int, joined: int) -> None:
    assert WindowPlan(5, stride).joined(count, most) == joined


@pytest.mark.parametrize(("steps", "stride"), SHAPES)
@pytest.mark.parametrize("rolling", [False, True])
def test_joined_steps_are_few_and_end_where_single_ones_could(steps: int, stride: int, rolling: bool) -> None:
    plan = WindowPlan(steps, stride, rolling)
    for count in range(30):
        for most in range(1, 15):
            joined = plan.joined(count, most)
            assert 1 <= joined <= min(most, steps)
            passed = [at for at in range(count + 1, count + joined) if plan.answers(at)]
            if passed:
                assert rolling or stride < steps
                assert plan.answers(count + joined)


def test_a_rolling_plan_has_one_lane_and_warms_up_with_a_window() -> None:
    plan = WindowPlan(5, 1, rolling=True)
    assert [index for index in range(20) if plan.lane_begins(index)] == [0]
    assert [plan.needed_from(count) for count in (0, 4, 5, 12)] == [0, 0, 1, 8]
    assert WindowPlan(5, 9, rolling=True).needed_from(12) == 8


def test_a_window_that_begins_amid_joined_steps_begins_with_the_last_beginning() -> None:
    plan = WindowPlan(5, 2)
    assert [plan.last_beginning(0, 3), plan.last_beginning(4, 2), plan.last_beginning(2, 1)] == [1, 5, None]


@pytest.mark.parametrize(("steps", "stride"), [(0, 1), (5, 0), (5, -1)])
def test_senseless_plans_are_refused(steps: int, stride: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        WindowPlan(steps, stride)
