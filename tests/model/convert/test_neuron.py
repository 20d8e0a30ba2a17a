"""Integrate-and-fire neurons (A2 and A8 of the specification)."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.convert.neuron import IF, IFSettings, Reset, SoftmaxNeuron
from model.errors import BadSetting


def run(neuron: IF, currents: Tensor) -> tuple[Tensor, Tensor]:
    """What was sent in each step, and the potentials after the last. Shape: currents (T, B, ...)."""
    membrane = torch.zeros_like(currents[0])
    sent = []
    for time, current in enumerate(currents):
        output, membrane = neuron.step(current, membrane, time)
        sent.append(output)
    return torch.stack(sent), neuron.potential(membrane)


def layer(
    threshold: float = 1.0, initial: float = 0.0, *, reset: Reset = "subtract", slope: float = 0.0
) -> IF:
    neuron = IF(IFSettings(reset, slope), torch.tensor(threshold, dtype=torch.float64))
    neuron.initial = torch.tensor(initial, dtype=torch.float64)
    return neuron


def random_currents(seed: int, low: float = -1.0, high: float = 1.5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(100, 2, 50, generator=generator, dtype=torch.float64)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10), st.floats(0, 1), st.sampled_from([0.0, 0.1, 1.0]))
@settings(max_examples=50, deadline=None)
def test_nothing_is_lost_where_the_threshold_is_taken_off(
    seed: int, threshold: float, share: float, slope: float
) -> None:
    """theta * sum(s) = V(0) + sum(z) - V(T), where a negative spike of -theta consumes theta / slope."""
    neuron, z = layer(threshold, share * threshold, slope=slope), random_currents(seed)
    sent, potential = run(neuron, z)
    lower = torch.where(sent < 0, sent / slope, sent) if slope else sent
    torch.testing.assert_close(
        lower.sum(0), share * threshold + z.sum(0) - potential, rtol=1e-9, atol=1e-9 * max(1, threshold)
    )
    assert set(sent.unique().tolist()) <= {-threshold, 0.0, threshold}


def test_zero_reset_loses_charge() -> None:
    z = random_currents(0)
    sent, potential = run(layer(reset="zero"), z)
    assert (z.sum(0) - potential - sent.sum(0)).min() > 1


@pytest.mark.parametrize("initial", [0.0, 0.5, 0.25])
@pytest.mark.parametrize("threshold", [1.0, 2.0, 0.25])
def test_a_constant_current_gives_the_floor_of_its_rate(threshold: float, initial: float) -> None:
    """Dyadic numbers, so that ties are exact."""
    z = torch.arange(-32, 96, dtype=torch.float64) / 64 * threshold
    sent, _ = run(layer(threshold, initial * threshold), z.expand(64, 1, -1))
    for steps in range(1, 65):
        count = sent[:steps].sum(0)[0] / threshold
        expected = torch.floor((initial * threshold + steps * z) / threshold).clamp(0, steps)
        assert torch.equal(count, expected)


def test_the_extra_current_comes_every_step() -> None:
    plain, shifted = layer(), layer()
    shifted.extra = torch.tensor(0.125, dtype=torch.float64)
    z = random_currents(1)
    assert torch.equal(run(shifted, z)[0], run(plain, z + 0.125)[0])


def test_modulo_keeps_the_remainder_and_zero_nothing() -> None:
    z = torch.tensor([[[2.75]], [[0.0]], [[0.25]]], dtype=torch.float64)
    for reset, spikes, left in (
        ("subtract", [1, 1, 1], 0.0),
        ("modulo", [1, 0, 1], 0.0),
        ("zero", [1, 0, 0], 0.25),
    ):
        sent, potential = run(layer(reset=reset), z)
        assert sent.flatten().tolist() == spikes
        assert potential.item() == left


@pytest.mark.parametrize("reset", ["zero", "modulo"])
def test_resets_hold_for_the_potential_itself(reset: Reset) -> None:
    """Whatever V(0) was, a neuron that fired is at 0, or at the remainder of its potential."""
    z = torch.tensor([[[1.5]], [[0.75]]], dtype=torch.float64)
    sent, potential = run(layer(1.0, 0.5, reset=reset), z)
    assert sent.flatten().tolist() == [1.0, 0.0]
    assert potential.item() == 0.75


def test_the_signed_neuron_is_a_leaky_relu() -> None:
    z = torch.linspace(-1, 1, 401, dtype=torch.float64)
    for slope in (0.1, 0.25, 1.0):
        sent, _ = run(layer(slope=slope), z.expand(1000, 1, -1))
        expected = torch.where(z < 0, slope * z, z)
        assert (sent.mean(0)[0] - expected).abs().max() <= 1 / 1000 + 1e-12


def test_rates_end_at_one() -> None:
    z = torch.tensor([[-25.0, 1.7]], dtype=torch.float64)
    sent, _ = run(layer(slope=0.1), z.expand(50, 1, -1))
    assert sent.mean(0)[0].tolist() == [-1.0, 1.0]


def test_a_threshold_a_channel() -> None:
    neuron = layer()
    neuron.threshold = torch.tensor([0.5, 2.0], dtype=torch.float64).view(2, 1, 1)
    sent, _ = run(neuron, torch.full((8, 1, 2, 3, 3), 0.5, dtype=torch.float64))
    assert sent[:, 0, 0].eq(0.5).all()
    assert sent[:, 0, 1].sum(0).eq(4.0).all()


def test_softmax_neurons_spike_as_likely_as_their_softmax() -> None:
    neuron, logits = SoftmaxNeuron(seed=5), torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    current, membrane = logits.expand(20_000, -1), torch.zeros(20_000, 3, dtype=torch.float64)
    for time in range(2):
        sent, membrane = neuron.step(current, membrane, time)
        rates, again = sent.mean(0), neuron.step(current, membrane - current, time)[0]
        assert torch.equal(sent, again)
        torch.testing.assert_close(rates, ((time + 1) * logits).softmax(0), atol=0.015, rtol=0)


@pytest.mark.parametrize("wrong", [{"reset": "soft"}, {"slope": -0.1}, {"slope": 1.5}])
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadSetting, match=str(next(iter(wrong.values())))):
        IFSettings(**wrong)  # type: ignore[arg-type]
