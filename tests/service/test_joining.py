"""Steps added up."""

from __future__ import annotations

import numpy as np

from service.joining import MOST_COUNT, Joiner, Pending
from streaming.step import Step
from tests.service.tiny import HEIGHT, WIDTH, step_of


def pendings(steps: list[Step]) -> list[Pending[int]]:
    return [Pending(step, token, 0.5 * token) for token, step in enumerate(steps)]


def test_counts_events_and_time_are_those_of_all() -> None:
    steps = [step_of(index) for index in range(4)]
    joined = Joiner().joined(pendings(steps))
    np.testing.assert_array_equal(joined.counts, np.sum([step.counts for step in steps], axis=0))
    assert joined.counts.dtype == np.uint16
    assert joined.events == sum(step.events for step in steps)
    assert joined.t_us == (steps[0].t_us[0], steps[-1].t_us[1])
    assert (joined.steps, joined.token, joined.ready_s) == (4, 3, 1.5)


def test_a_single_step_is_not_copied() -> None:
    step = step_of(0)
    assert Joiner().joined(pendings([step])).counts is step.counts


def test_sums_saturate_and_leave_their_parts_alone() -> None:
    counts = np.zeros((2, HEIGHT, WIDTH), np.uint16)
    counts[0, 0, :3] = [MOST_COUNT, MOST_COUNT - 1, 40_000]
    steps = [Step(counts, (at, at + 1), 5, at) for at in range(3)]
    joiner = Joiner()
    for taken, third in ((2, MOST_COUNT), (3, MOST_COUNT)):
        sums = joiner.joined(pendings(steps[:taken])).counts
        assert sums[0, 0, :4].tolist() == [MOST_COUNT, MOST_COUNT, third, 0]
    assert counts[0, 0, :4].tolist() == [MOST_COUNT, MOST_COUNT - 1, 40_000, 0]


def test_what_was_joined_before_stays_as_it_is() -> None:
    joiner = Joiner()
    first = joiner.joined(pendings([step_of(0), step_of(1)]))
    before = first.counts.copy()
    joiner.joined(pendings([step_of(2), step_of(3)]))
    np.testing.assert_array_equal(first.counts, before)
