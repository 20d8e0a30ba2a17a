"""SNN Calibration on trained networks (B3 of the specification)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest

from model.convert.calibration import Calibration
from model.convert.method import convert
from model.convert.simulate import simulate
from model.convert.thresholds import ThresholdSettings
from model.convert.weight_calibration import Weights
from tests.model.convert.nets import Pool, digits, digits_net

SEEDS = (0, 1, 2)
NONE = Calibration(bias=0)
METHODS: dict[str, Callable[[], Calibration]] = {
    "maximum": lambda: replace(NONE, threshold=ThresholdSettings("max")),
    "mmse": lambda: NONE,
    "light": Calibration,
    "potential": lambda: replace(NONE, potential=True),
    "weights": lambda: replace(NONE, weights=Weights(iterations=150, rate=1e-3, rows=256)),
    "by channel": lambda: Calibration(threshold=ThresholdSettings(channel_wise=True)),
}


def ann(seed: int = 0, pool: Pool = "average") -> float:
    return digits().accuracy(digits_net(pool, seed)(digits().test))


@lru_cache
def accuracy(method: str, steps: int, seed: int = 0, pool: Pool = "average", **change: Any) -> float:
    """Per cent of the test digits told right after as many steps as it was calibrated for."""
    data = digits()
    asked = replace(METHODS[method](), steps=steps, **change)
    network = convert(digits_net(pool, seed), data.calibration, asked)
    return data.accuracy(simulate(network, data.test, steps, count=False).last.outputs[0])


def mean_loss(method: str, steps: int) -> float:
    """Percentage points below the ANN, the mean over networks."""
    return sum(ann(seed) - accuracy(method, steps, seed) for seed in SEEDS) / len(SEEDS)


@pytest.mark.parametrize("method", ["light", "potential"])
def test_two_steps_need_calibration(method: str) -> None:
    """The thresholds that calibration is made for are of little use without it. A mean: now and then a
    network does well at two steps whatever its thresholds."""
    assert mean_loss(method, 2) <= mean_loss("mmse", 2) - 8


@pytest.mark.parametrize(("steps", "margin"), [(4, 2.5), (16, 0.6)])
@pytest.mark.parametrize("method", ["light", "potential"])
def test_little_is_lost(method: str, steps: int, margin: float) -> None:
    assert mean_loss(method, steps) <= margin


def test_weights_calibration_makes_good_what_thresholds_cost() -> None:
    assert accuracy("weights", 2) >= accuracy("mmse", 2) + 20


def test_more_rounds_of_bias_and_channels_are_no_worse() -> None:
    assert accuracy("light", 2, bias=3) >= accuracy("light", 2) - 1
    assert accuracy("by channel", 4) >= ann() - 2.5


def test_max_pools_can_be_calibrated() -> None:
    assert accuracy("light", 8, pool="max") >= ann(pool="max") - 2


def test_another_number_of_steps_is_another_calibration() -> None:
    """What is calibrated for 4 steps is for 4: at 64 it is no better than at 16."""
    data = digits()
    network = convert(digits_net("average"), data.calibration, Calibration(steps=4))
    read = simulate(network, data.test, 64, read_at=(4, 16), count=False).readings
    found = {steps: data.accuracy(reading.outputs[0]) for steps, reading in read.items()}
    assert found[4] >= ann() - 2.5
    assert found[64] <= accuracy("light", 64)
