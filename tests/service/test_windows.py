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


@pytest.mark.parametrize(("steps", "stride"), [(0, 1), (5, 0), (5, -1)])
def test_senseless_plans_are_refused(steps: int, stride: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        WindowPlan(steps, stride)
