"""Rueckauer 2017 on trained networks (B0, B1 and B4 of the specification); its settings."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any

import pytest
from torch import Tensor

from model.convert.inputs import Poisson
from model.convert.method import convert
from model.convert.network import SpikingSettings
from model.convert.rueckauer import Rueckauer
from model.convert.simulate import Simulation, simulate
from model.errors import BadSetting
from tests.model.convert.nets import Pool, digits, digits_net, made

PUBLISHED = SpikingSettings(average_pool="spiking", max_pool="count")
TIMES = (32, 64, 128, 256)


@lru_cache(maxsize=2)
def published(pool: Pool) -> Simulation:
    """The test digits through the published method."""
    data = digits()
    network = convert(digits_net(pool), data.calibration, Rueckauer(spiking=PUBLISHED))
    return simulate(network, data.test, 256, read_at=TIMES, count=False)


def outputs(pool: Pool, steps: int) -> Tensor:
    return published(pool).readings[steps].outputs[0]


def ann(pool: Pool) -> Tensor:
    return digits_net(pool)(digits().test).detach()


def agreement(pool: Pool, steps: int) -> float:
    """Per cent of the test digits that the network tells as its ANN does."""
    return 100 * (outputs(pool, steps).argmax(1) == ann(pool).argmax(1)).double().mean().item()


def converted(pool: Pool, method: Rueckauer, steps: int, **options: Any) -> Tensor:
    data = digits()
    network = convert(digits_net(pool), data.calibration, method)
    return simulate(network, data.test, steps, count=False, **options).last.outputs[0]


@pytest.mark.parametrize("pool", ["average", "max"])
def test_the_ann_is_a_good_one(pool: Pool) -> None:
    assert digits().accuracy(ann(pool)) >= 98


@pytest.mark.parametrize(
    ("pool", "steps", "loss"), [("average", 32, 2), ("average", 128, 0.5), ("max", 64, 1)]
)
def test_little_is_lost(pool: Pool, steps: int, loss: float) -> None:
    data = digits()
    assert data.accuracy(outputs(pool, steps)) >= data.accuracy(ann(pool)) - loss


@pytest.mark.parametrize("pool", ["average", "max"])
def test_agreement_grows_with_time(pool: Pool) -> None:
    agreements = [agreement(pool, steps) for steps in (32, 64, 128, 256)]
    assert all(later >= earlier - 1 for earlier, later in pairwise(agreements))
    assert agreements[-1] >= 99.5


def test_resetting_to_zero_is_far_worse() -> None:
    data = digits()
    zero = Rueckauer(spiking=SpikingSettings(reset="zero", average_pool="spiking"))
    assert data.accuracy(converted("average", zero, 64)) <= data.accuracy(outputs("average", 64)) - 10


def test_robust_normalisation_is_faster_than_the_maximum_and_spikes_more() -> None:
    data = digits()
    robust, maximum = (
        simulate(
            convert(digits_net("average"), data.calibration, Rueckauer(p, spiking=PUBLISHED)), data.test, 8
        ).last
        for p in (99.9, 100)
    )
    assert data.accuracy(maximum.outputs[0]) <= data.accuracy(robust.outputs[0]) - 10
    assert robust.cost.total_spikes.mean() > 1.2 * maximum.cost.total_spikes.mean()


def test_half_a_threshold_and_channels_answer_within_a_few_steps() -> None:
    data = digits()
    fast = converted("average", Rueckauer(channel_wise=True, initial=0.5), 8)
    assert data.accuracy(fast) >= data.accuracy(ann("average")) - 2


@pytest.mark.parametrize("readout", ["spikes", "softmax"])
def test_classes_that_spike_are_right(readout: Any) -> None:
    data = digits()
    method = Rueckauer(spiking=SpikingSettings(readout=readout))
    assert data.accuracy(converted("max", method, 64)) >= data.accuracy(ann("max")) - 1.5


@pytest.mark.parametrize("rule", ["count", "recent", "rise"])
def test_every_rule_of_max_pools_is_right(rule: Any) -> None:
    data = digits()
    method = Rueckauer(spiking=SpikingSettings(max_pool=rule))
    assert data.accuracy(converted("max", method, 64)) >= data.accuracy(ann("max")) - 1


def test_random_input_is_right_after_some_time() -> None:
    data = digits()
    shown = converted("max", Rueckauer(), 100, code=Poisson(seed=1))
    assert data.accuracy(shown) >= data.accuracy(ann("max")) - 2


def test_the_percentile_sets_the_thresholds() -> None:
    net, x = made("plain")
    high, low = (convert(net, [x], Rueckauer(p)) for p in (100, 90))
    assert all(high.neurons[name].threshold > low.neurons[name].threshold for name in low.neurons)
    half = convert(net, [x], Rueckauer(100, initial=0.5))
    assert all(unit.initial == 0.5 * unit.threshold for unit in half.neurons.values())


def test_relu6_never_needs_more_than_six() -> None:
    net, x = made("depthwise and transposed")
    for channel_wise in (False, True):
        network = convert(net, [100 * x], Rueckauer(100, channel_wise=channel_wise))
        (capped,) = (n for n in network.graph.of_kind("activation") if getattr(n.op, "cap", None))
        assert network.neurons[capped.name].threshold.max() == 6


@pytest.mark.parametrize(
    "wrong", [{"percentile": 0}, {"percentile": 101.0}, {"initial": 1.0}, {"initial": -0.5}, {"form": "both"}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadSetting, match=str(next(iter(wrong.values())))):
        Rueckauer(**wrong)
