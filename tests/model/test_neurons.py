"""The neurons: against plain recurrences, step against window, and their gradients."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from model.errors import BadLayout
from model.neuron_settings import NeuronSettings
from model.neurons import LIF, Neuron, ReLU, SiluRecurrence

STEPS = 5


def currents(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


class PlainSpike(torch.autograd.Function):
    """A step with the rectangular surrogate, written as the definition reads."""

    @staticmethod
    def forward(ctx: Any, u: Tensor) -> Tensor:
        ctx.save_for_backward(u)
        return (u > 0.5).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        grad: Tensor = grads[0] * ((u - 0.5).abs() < 0.5)
        return grad


def plain_lif(x: Tensor) -> Tensor:
    """u[t] = 0.25 u[t-1] (1 - s[t-1]) + x[t] as a loop of autograd operations, reset detached."""
    u, s, spikes = torch.zeros_like(x[0]), torch.zeros_like(x[0]), []
    for now in x:
        u = 0.25 * u * (1 - s.detach()) + now
        s = PlainSpike.apply(u)  # type: ignore[no-untyped-call]  # torch gives `apply` no type
        spikes.append(s)
    return torch.stack(spikes)


SETTINGS = [
    NeuronSettings(reset="soft"),
    NeuronSettings(leak=0.5, threshold=1.0, surrogate="triangle"),
    NeuronSettings(surrogate="arctan", learned="both"),
    NeuronSettings(reset="soft", surrogate="sigmoid", learned="leak"),
    NeuronSettings(learned="threshold"),
    NeuronSettings(reset="soft", levels=4),
]


def surrogate(name: str, d: Tensor) -> Tensor:
    shapes = {
        "rectangle": (d.abs() < 0.5).to(d.dtype),
        "triangle": torch.relu(1 - d.abs()),
        "arctan": 1 / (1 + (math.pi * d) ** 2),
        "sigmoid": 4 * torch.sigmoid(4 * d) * torch.sigmoid(-4 * d),
    }
    return shapes[name]


def plain_neuron(x: Tensor, settings: NeuronSettings, leak: Tensor, threshold: Tensor) -> Tensor:
    """As the definition reads; the spike is a constant plus a straight line with the surrogate's slope."""
    m, spikes = torch.zeros_like(x[0]), []
    for now in x:
        u = m + now
        distance = u - threshold
        if settings.levels > 1:
            fired = (u.detach() / (2 * threshold.detach())).clamp(0, settings.levels).round()
            slope = ((u > 0) & (u < 2 * threshold * settings.levels)).to(u.dtype) / (2 * threshold.detach())
        else:
            fired, slope = (distance > 0).to(u.dtype), surrogate(settings.surrogate, distance.detach())
        spikes.append(fired + slope.detach() * (distance - distance.detach()))
        quantum = threshold.detach() * (2 if settings.levels > 1 else 1)
        m = leak * (u * (1 - fired) if settings.reset == "hard" else u - quantum * fired)
    return torch.stack(spikes)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_kind_of_neuron_equals_its_definition(settings: NeuronSettings) -> None:
    x = (2 * currents(STEPS, 2, 3, 4, 4)).requires_grad_()
    lif = LIF(settings).double()
    leak = torch.tensor(settings.leak, dtype=torch.float64, requires_grad=True)
    threshold = torch.tensor(settings.threshold, dtype=torch.float64, requires_grad=True)
    ours, plain = lif.window(x.flatten(0, 1), STEPS), plain_neuron(x, settings, leak, threshold)
    assert torch.equal(ours.view_as(plain), plain)
    assert torch.allclose(by_steps(lif, x.detach()), plain, atol=1e-12)
    assert ours.max() > 1 if settings.levels > 1 else ours.max() == 1
    grad = currents(*plain.shape, seed=1)
    mine = torch.autograd.grad(ours.view_as(plain), [x, *lif.parameters()], grad)
    learned = {"leak": [leak], "threshold": [threshold], "both": [leak, threshold], "nothing": []}
    theirs = torch.autograd.grad(plain, [x, *learned[settings.learned]], grad)
    for a, b in zip(mine, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-10), settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"leak": -0.1},
        {"threshold": 0.0},
        {"reset": "none"},
        {"surrogate": "step"},
        {"levels": 0},
        {"levels": 4},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadLayout, match=next(iter(wrong))):
        NeuronSettings(**wrong)


def by_steps(neuron: Neuron, x: Tensor) -> Tensor:
    membrane, outputs = torch.zeros_like(x[0]), []
    for now in x:
        output, membrane = neuron.step(now, membrane)
        outputs.append(output)
    return torch.stack(outputs)


@pytest.mark.parametrize("channels_last", [False, True])
# The last size does not fit one cache-sized piece, and leaves a remainder.
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 1, 1), (3, 5, 64, 65)])
def test_lif_window_and_gradient_equal_a_plain_loop(shape: tuple[int, ...], channels_last: bool) -> None:
    folded = currents(STEPS * shape[0], *shape[1:])
    if channels_last:
        folded = folded.contiguous(memory_format=torch.channels_last)
    folded.requires_grad_()
    spikes = LIF(NeuronSettings()).window(folded, STEPS)
    plain_x = folded.detach().clone().requires_grad_()
    plain = plain_lif(plain_x.reshape(STEPS, *shape)).flatten(0, 1)
    assert torch.equal(spikes, plain)
    grad = currents(*spikes.shape, seed=1)
    assert torch.allclose(
        torch.autograd.grad(spikes, folded, grad)[0], torch.autograd.grad(plain, plain_x, grad)[0], atol=1e-15
    )


def test_lif_takes_a_gradient_and_currents_in_any_memory_order() -> None:
    x = currents(5, 4, 3, STEPS * 2).permute(3, 2, 1, 0).requires_grad_()
    grad = currents(STEPS * 2, 4, 5, 3, seed=1).permute(0, 3, 1, 2)
    window = LIF(NeuronSettings()).window(x, STEPS)
    plain = plain_lif(x.reshape(STEPS, -1, *x.shape[1:])).flatten(0, 1)
    assert torch.equal(window, plain)
    ours, theirs = torch.autograd.grad(window, x, grad)[0], torch.autograd.grad(plain, x, grad)[0]
    assert torch.allclose(ours, theirs, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_threshold_is_strict(dtype: torch.dtype) -> None:
    just_above = 0.5 + torch.finfo(dtype).eps
    x = torch.tensor([0.5, just_above, 0.49], dtype=dtype).view(1, 3, 1, 1)
    lif = LIF(NeuronSettings())
    assert lif.window(x, 1).flatten().tolist() == [0, 1, 0]
    assert lif.step(x, torch.zeros_like(x))[0].flatten().tolist() == [0, 1, 0]


def test_the_membrane_leaks_and_is_reset_by_a_spike() -> None:
    lif = LIF(NeuronSettings())
    x = torch.tensor([0.4, 0.6]).view(1, 2, 1, 1)
    _, membrane = lif.step(x, torch.zeros_like(x))
    assert membrane.flatten().tolist() == pytest.approx([0.1, 0.0])


def test_the_surrogate_is_open_at_its_ends() -> None:
    x = torch.tensor([0.0, 1e-9, 0.5, 1 - 1e-9, 1.0], dtype=torch.float64).view(1, 5, 1, 1).requires_grad_()
    (grad,) = torch.autograd.grad(LIF(NeuronSettings()).window(x, 1).sum(), x)
    assert grad.flatten().tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize(
    "neuron",
    [LIF(NeuronSettings()), LIF(NeuronSettings(leak=0.5, threshold=1.0)), SiluRecurrence(0.25), ReLU()],
)
def test_steps_from_zero_equal_the_window(neuron: Neuron) -> None:
    x = currents(STEPS, 2, 3, 4, 4)
    window = neuron.window(x.flatten(0, 1), STEPS)
    assert torch.equal(by_steps(neuron, x).flatten(0, 1), window)


def test_silu_recurrence_feeds_its_output_back() -> None:
    x = torch.tensor([1.0, -0.5], dtype=torch.float64).view(2, 1, 1, 1)
    first = 1 / (1 + math.exp(-1))
    u = 0.25 * first * (1 - first) - 0.5
    expected = [first, u / (1 + math.exp(-u))]
    assert SiluRecurrence(0.25).window(x, 2).flatten().tolist() == pytest.approx(expected, abs=1e-15)


def test_silu_recurrence_has_the_gradient_of_its_steps() -> None:
    x = currents(STEPS, 2, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: SiluRecurrence(0.25).window(y, STEPS), (x,))
