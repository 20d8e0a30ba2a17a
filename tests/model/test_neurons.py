"""The neurons: against plain recurrences, step against window, and their gradients."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

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
    spikes = LIF(0.25, 0.5).window(folded, STEPS)
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
    window = LIF(0.25, 0.5).window(x, STEPS)
    plain = plain_lif(x.reshape(STEPS, -1, *x.shape[1:])).flatten(0, 1)
    assert torch.equal(window, plain)
    ours, theirs = torch.autograd.grad(window, x, grad)[0], torch.autograd.grad(plain, x, grad)[0]
    assert torch.allclose(ours, theirs, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_threshold_is_strict(dtype: torch.dtype) -> None:
    just_above = 0.5 + torch.finfo(dtype).eps
    x = torch.tensor([0.5, just_above, 0.49], dtype=dtype).view(1, 3, 1, 1)
    lif = LIF(0.25, 0.5)
    assert lif.window(x, 1).flatten().tolist() == [0, 1, 0]
    assert lif.step(x, torch.zeros_like(x))[0].flatten().tolist() == [0, 1, 0]


def test_the_membrane_leaks_and_is_reset_by_a_spike() -> None:
    lif = LIF(0.25, 0.5)
    x = torch.tensor([0.4, 0.6]).view(1, 2, 1, 1)
    _, membrane = lif.step(x, torch.zeros_like(x))
    assert membrane.flatten().tolist() == pytest.approx([0.1, 0.0])


def test_the_surrogate_is_open_at_its_ends() -> None:
    x = torch.tensor([0.0, 1e-9, 0.5, 1 - 1e-9, 1.0], dtype=torch.float64).view(1, 5, 1, 1).requires_grad_()
    (grad,) = torch.autograd.grad(LIF(0.25, 0.5).window(x, 1).sum(), x)
    assert grad.flatten().tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("neuron", [LIF(0.25, 0.5), LIF(0.5, 1.0), SiluRecurrence(0.25), ReLU()])
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
