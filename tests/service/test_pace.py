"""What rows cost: engines whose batches pay, engines whose batches do not, and machines that slow down."""

from __future__ import annotations

import pytest

from service.pace import UNBOUNDED, Pace


def pace(one_s: float, four_s: float, max_batch: int = 16) -> Pace:
    made = Pace(max_batch)
    made.calibrate(one_s, 4, four_s)
    return made


def test_nothing_is_known_before_the_first_run() -> None:
    assert (Pace(4).seconds(10), Pace(4).rows_within(0.001)) == (0.0, UNBOUNDED)


def test_the_first_run_tells_where_nothing_was_measured() -> None:
    made = Pace(4)
    made.ran(10, 0.02)
    assert made.seconds(5) == pytest.approx(0.01)


def test_a_batch_costs_its_part_and_each_row_its_own() -> None:
    made = pace(0.004, 0.013)  # 1 ms a batch, 3 ms a row
    assert made.seconds(1) == pytest.approx(0.004)
    assert made.seconds(16) == pytest.approx(0.049)
    assert made.seconds(17) == pytest.approx(0.053)


@pytest.mark.parametrize(
    ("one_s", "four_s", "rows"),
    [
        (0.004, 0.013, 2),  # a CPU: rows gain little from company
        (0.002, 0.0023, 32),  # a GPU: two whole batches in eight milliseconds
        (0.060, 0.069, 16),  # slow, but a batch pays: it may take twice a row's time, and whole batches fit
        (0.020, 0.080, 2),  # slow, and no batch pays
    ],
)
def test_a_run_lasts_about_a_step_or_twice_a_row(one_s: float, four_s: float, rows: int) -> None:
    assert pace(one_s, four_s).rows_within(0.008) == rows


def test_at_least_one_row_is_run() -> None:
    assert pace(0.5, 2.0).rows_within(0.001) >= 1


def test_a_hiccup_passes_and_a_slower_machine_is_noticed() -> None:
    made = pace(0.004, 0.013)
    made.ran(1, 0.040)
    assert made.seconds(1) < 0.008
    for _ in range(60):
        made.ran(1, 0.008)
    assert made.seconds(4) == pytest.approx(0.026, rel=0.05)
    for _ in range(60):
        made.ran(2, 0.007)
    assert made.seconds(4) == pytest.approx(0.013, rel=0.05)


def test_a_measurement_that_says_nothing_is_borne() -> None:
    for one_s, four_s in ((0.004, 0.003), (0.001, 0.1)):
        made = pace(one_s, four_s)
        assert made.seconds(1) == pytest.approx(one_s)
        assert 1 <= made.rows_within(0.008) <= UNBOUNDED
