"""Spiking max pools (A5 of the specification)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from model.convert.gates import MaxGate, MaxRule
from model.errors import BadSetting

STEPS = 200


def spikes(rates: Tensor, steps: int = STEPS) -> Tensor:
    """Trains of constant rates. Shape: rates (B, C, H, W) to (steps, B, C, H, W)."""
    times = torch.arange(1, steps + 1, dtype=torch.float64).view(-1, 1, 1, 1, 1)
    return torch.floor(times * rates) - torch.floor((times - 1) * rates)


def passed(gate: MaxGate, trains: Tensor) -> Tensor:
    counter, out = torch.zeros_like(trains[0]), []
    for time, now in enumerate(trains):
        value, counter = gate.step(now, counter, time)
        out.append(value)
    return torch.stack(out)


def random_rates(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 3, 6, 6, generator=generator, dtype=torch.float64)


POOLS = [nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1), nn.AdaptiveMaxPool2d(3)]


@pytest.mark.parametrize("rule", ["count", "rise"])
@pytest.mark.parametrize("pool", POOLS, ids=str)
def test_the_rate_is_the_highest(rule: MaxRule, pool: nn.Module) -> None:
    """Once the leader is ahead: rates are 1/37 apart or more, and half of the steps are over."""
    rates = torch.stack([torch.randperm(36).view(6, 6) for _ in range(6)]).view(2, 3, 6, 6).double() / 37
    found = passed(MaxGate(pool, rule), spikes(rates, 2 * STEPS))[STEPS:].mean(0)
    assert (found - pool(rates)).abs().max() <= 2 / STEPS


@pytest.mark.parametrize("pool", POOLS, ids=str)
def test_rises_are_never_too_many(pool: nn.Module) -> None:
    rates = random_rates()
    for steps in (3, 20, STEPS):
        found = passed(MaxGate(pool, "rise"), spikes(rates, steps)).mean(0)
        assert (found - pool(rates)).abs().max() <= 1 / steps


def test_what_passes_is_what_the_leader_sends() -> None:
    trains = (torch.rand(60, 1, 2, 4, 4, generator=torch.Generator().manual_seed(2)) < 0.4).double()
    found = passed(MaxGate(nn.MaxPool2d(2), "count"), trains)
    for time, channel, row, col in torch.cartesian_prod(*map(torch.arange, (60, 2, 2, 2))):
        window = (0, channel, slice(2 * row, 2 * row + 2), slice(2 * col, 2 * col + 2))
        counts = [int(n) for n in trains[: time + 1][(slice(None), *window)].sum(0).flatten()]
        leader = counts.index(max(counts))  # the first of equals
        assert found[time, 0, channel, row, col] == trains[time][window].flatten()[leader]


@pytest.mark.parametrize("signed", [False, True])
def test_rises_sum_up_to_the_highest_sum(signed: bool) -> None:
    """Whoever led in between, and for currents of either sign too."""
    trains = torch.rand(50, 2, 3, 5, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    trains = trains - 0.5 if signed else (trains < 0.3).double()
    pool = nn.MaxPool2d(3, 2, 1)
    found = passed(MaxGate(pool, "rise"), trains)
    for steps in (1, 10, 50):
        torch.testing.assert_close(found[:steps].sum(0), pool(trains[:steps].sum(0)))
    if not signed:
        assert set(found.unique().tolist()) == {0.0, 1.0}


def test_a_moving_average_follows_a_new_leader() -> None:
    """The first input fires for 50 steps, then the second one; the sum still has the first ahead."""
    trains = torch.zeros(80, 1, 1, 1, 2, dtype=torch.float64)
    trains[:50, ..., 0] = 1
    trains[50:, ..., 1] = 1
    pool = nn.MaxPool2d((1, 2))
    late = {rule: passed(MaxGate(pool, rule), trains)[60:].sum().item() for rule in ("count", "recent")}
    assert late == {"count": 0, "recent": 20}


def test_pools_along_one_axis_and_three() -> None:
    for pool, shape in ((nn.MaxPool1d(2), (1, 2, 6)), (nn.MaxPool3d(2), (1, 2, 4, 4, 4))):
        current = torch.rand(shape, dtype=torch.float64)
        value, _ = MaxGate(pool, "count").step(current, torch.zeros(shape, dtype=torch.float64))
        assert torch.equal(value, pool(current))


def test_other_rules_are_refused() -> None:
    with pytest.raises(BadSetting, match=r"'first'.*count, recent, rise"):
        MaxGate(nn.MaxPool2d(2), "first")  # type: ignore[arg-type]
