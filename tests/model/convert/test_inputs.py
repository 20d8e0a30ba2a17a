"""Ways for an input to come in."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from model.convert.inputs import Analog, EventStream, Poisson
from model.convert.method import convert
from model.convert.rueckauer import Rueckauer
from model.convert.simulate import simulate
from model.errors import BadCalibration, BadSetting
from tests.model.convert.nets import made


@pytest.mark.parametrize(("peak", "rate"), [(1.0, 1.0), (4.0, 1.0), (2.0, 0.25)])
def test_random_spikes_have_the_value_as_mean(peak: float, rate: float) -> None:
    x = torch.linspace(-peak, peak, 41, dtype=torch.float64).expand(500, -1)
    code = Poisson(peak, rate, seed=3)
    shown = torch.stack([code.at(x, time) for time in range(40)])
    assert set(shown.unique().tolist()) <= {-peak / rate, 0.0, peak / rate}
    error = (shown.mean((0, 1)) - x[0]).abs().max()
    assert error < 5 * peak / rate * (0.5 / 20_000**0.5)


def test_what_is_above_the_peak_is_cut_off() -> None:
    assert Poisson(peak=1.0).at(torch.tensor([[3.0, -3.0]]), 0).tolist() == [[1.0, -1.0]]


def test_the_same_seed_and_step_draw_the_same_spikes() -> None:
    x = torch.full((4, 50), 0.5)
    assert torch.equal(Poisson(seed=1).at(x, 3), Poisson(seed=1).at(x, 3))
    assert not torch.equal(Poisson(seed=1).at(x, 3), Poisson(seed=1).at(x, 4))
    assert not torch.equal(Poisson(seed=1).at(x, 3), Poisson(seed=2).at(x, 3))


@pytest.mark.parametrize("wrong", [{"peak": 0.0}, {"peak": float("nan")}, {"rate": 0.0}, {"rate": 1.5}])
def test_rates_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadSetting, match=str(next(iter(wrong.values())))):
        Poisson(**wrong)


def test_bins_come_one_a_step_and_over_again() -> None:
    bins = torch.arange(6.0).view(3, 2, 1)
    shown = [EventStream().at(bins, time).flatten().tolist() for time in range(5)]
    assert shown == [[0, 1], [2, 3], [4, 5], [0, 1], [2, 3]]


def test_a_stream_without_bins_is_refused() -> None:
    for wrong in (torch.rand(0, 2, 3), torch.rand(2, 3)):
        with pytest.raises(BadCalibration, match="bins"):
            EventStream().at(wrong, 0)


def test_all_ways_end_at_the_output_of_the_mean() -> None:
    net, x = made("residual")
    network = convert(net, [x], Rueckauer(percentile=100, initial=0.5))
    expected = simulate(network, x[:4], 600, count=False).last.outputs[0]
    bins = torch.stack((0.5 * x[:4], 1.5 * x[:4]))
    for shown, code in ((x[:4], Poisson(peak=x.max().item())), (bins, EventStream()), (x[:4], Analog())):
        outputs = simulate(network, shown, 600, code=code, count=False).last.outputs[0]
        assert float((outputs - expected).norm() / expected.norm()) < 0.12
