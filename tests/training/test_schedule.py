"""The learning rate's way, budgets, and the moving average."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from training.ema import WeightAverage
from training.schedule import Budget, learning_rate


def test_the_rate_climbs_then_falls() -> None:
    rates = [learning_rate(1.0, k / 1000) for k in range(1001)]
    top = rates.index(max(rates))
    assert top == 30
    assert rates[top] == pytest.approx(1)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(0.01)


def test_a_budget_of_steps() -> None:
    budget = Budget(steps=10, minutes=None)
    assert budget.fraction(5) == 0.5
    assert not budget.finished(9)
    assert budget.finished(10)
    assert budget.eta_s(0) is None


def test_a_budget_of_minutes_counts_what_was_spent_before() -> None:
    budget = Budget(steps=None, minutes=2, spent_s=90)
    assert budget.fraction(0) == pytest.approx(0.75, abs=0.01)
    assert budget.finished(0) is False
    assert Budget(steps=None, minutes=2, spent_s=120).finished(0)


@pytest.mark.parametrize(("steps", "minutes"), [(None, None), (3, 2.0)])
def test_a_budget_is_of_one_kind(steps: int | None, minutes: float | None) -> None:
    with pytest.raises(ValueError, match="either steps or minutes"):
        Budget(steps, minutes)


def test_ending_early_lets_the_rate_ebb() -> None:
    budget = Budget(steps=1_000_000, minutes=None)
    assert budget.ebb() == 1
    budget.end_in(0.0)
    assert budget.finished(0)
    assert budget.ebb() == 0


def test_the_average_follows_fast_first_and_slowly_later() -> None:
    net = nn.Linear(1, 1)
    average = WeightAverage(net, decay=0.9, warmup=2.0)
    with torch.no_grad():
        net.weight.fill_(1.0)
    start = float(average.values["weight"])
    average.update(net)
    first = (float(average.values["weight"]) - start) / (1 - start)
    assert first == pytest.approx(1 - 0.9 * (1 - 2.718281828**-0.5), rel=1e-5)
    for _ in range(200):
        average.update(net)
    assert float(average.values["weight"]) == pytest.approx(1, abs=1e-6)


def test_the_averaged_network_is_a_copy_in_evaluation_mode() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).train()
    average = WeightAverage(net)
    with torch.no_grad():
        net.get_parameter("0.weight").add_(1)
    copy = average.network(net)
    assert not copy.training
    assert net.training
    assert not torch.equal(copy.get_parameter("0.weight"), net.get_parameter("0.weight"))
