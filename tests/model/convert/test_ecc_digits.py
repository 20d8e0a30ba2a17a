"""ECC on trained networks (B2 of the specification): in counts of spikes, and step by step."""

from __future__ import annotations

from functools import lru_cache

import pytest

from model.convert.counts import CountReading, count_domain
from model.convert.ecc import ECC, PUBLISHED
from model.convert.method import convert
from model.convert.simulate import simulate
from tests.model.convert.nets import digits, digits_net


@lru_cache
def ann() -> float:
    return digits().accuracy(digits_net("average")(digits().test))


@lru_cache
def counted(steps: int, residual: float = 0.5, bits: int | None = None) -> CountReading:
    """The test digits in counts of spikes, as published."""
    data = digits()
    method = ECC(residual=residual, weight_bits=bits, spiking=PUBLISHED)
    return count_domain(convert(digits_net("average"), data.calibration, method), data.test, steps)


def accuracy(reading: CountReading) -> float:
    return digits().accuracy(reading.outputs[0])


@pytest.mark.parametrize(("steps", "margin"), [(8, 3), (16, 1), (32, 0.5), (64, 0.5), (128, 0.5), (256, 0.5)])
def test_counts_lose_little(steps: int, margin: float) -> None:
    assert accuracy(counted(steps)) >= ann() - margin


def test_residual_elimination_is_most_of_the_gain() -> None:
    assert accuracy(counted(8, 0.0)) <= accuracy(counted(8)) - 20


def test_it_costs_some_spikes() -> None:
    less, more = (counted(32, residual).activity.total_spikes.mean() for residual in (0.0, 0.5))
    assert less < more < 2 * less


def test_weights_of_8_bits_do() -> None:
    assert accuracy(counted(32, bits=8)) >= ann() - 1


@pytest.mark.parametrize(("steps", "margin"), [(8, 2), (64, 1)])
def test_steps_lose_little(steps: int, margin: float) -> None:
    data = digits()
    network = convert(digits_net("average"), data.calibration, ECC())
    assert data.accuracy(simulate(network, data.test, steps, count=False).last.outputs[0]) >= ann() - margin
