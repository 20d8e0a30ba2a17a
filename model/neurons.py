"""The neurons: leaky integrate-and-fire, the SiLU recurrence of the published `Conv`, and ReLU for the twin.

LIF (EMS-YOLO, arXiv 2307.11411, eq. 1-3): u[t] = leak * u[t-1] * (1 - s[t-1]) + x[t], s[t] = 1 where u[t] >
threshold, strictly. The state carried between steps is what is left of the membrane after leak and reset,
m[t] = leak * u[t] * (1 - s[t]), so that u[t+1] = m[t] + x[t+1].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SURROGATE_HALF_WIDTH = 0.5
# Elements of a time step worked on at once: few enough to stay in cache, enough to hide the cost of a call.
_CHUNK = 131_072


class Neuron(nn.Module):
    """A layer of neurons; it owns no state."""

    spiking = False
    stateful = True

    def window(self, current: Tensor, steps: int) -> Tensor:
        """Outputs of `steps` steps from the zero state. Shape: (steps * B, C, H, W), time first."""
        raise NotImplementedError

    def step(self, current: Tensor, membrane: Tensor) -> tuple[Tensor, Tensor]:
        """Output and next membrane of one step. Shape: all (B, C, H, W)."""
        raise NotImplementedError


class LIF(Neuron):
    """Leaky integrate-and-fire with hard reset; the surrogate gradient is 1 where |u - threshold| < 0.5."""

    spiking = True

    def __init__(self, leak: float, threshold: float) -> None:
        super().__init__()
        self.leak, self.threshold = leak, threshold

    def window(self, current: Tensor, steps: int) -> Tensor:
        return _lif_window(current, steps, self.leak, self.threshold)

    def step(self, current: Tensor, membrane: Tensor) -> tuple[Tensor, Tensor]:
        u = membrane + current
        fired = u > self.threshold
        return fired.to(u.dtype), torch.where(fired, 0.0, self.leak * u)


class SiluRecurrence(Neuron):
    """o[t] = SiLU(leak * o[t-1] * (1 - o[t-1]) + x[t]): real-valued, as the published `Conv` layers run."""

    def __init__(self, leak: float) -> None:
        super().__init__()
        self.leak = leak

    def window(self, current: Tensor, steps: int) -> Tensor:
        outputs: list[Tensor] = []
        parts = torch.chunk(current, steps)
        membrane = torch.zeros_like(parts[0])
        for now in parts:
            output, membrane = self.step(now, membrane)
            outputs.append(output)
        return torch.cat(outputs)

    def step(self, current: Tensor, membrane: Tensor) -> tuple[Tensor, Tensor]:
        output = F.silu(membrane + current)
        return output, self.leak * output * (1 - output)


class ReLU(Neuron):
    """The twin's neuron: no state."""

    stateful = False

    def window(self, current: Tensor, steps: int) -> Tensor:
        return F.relu(current)

    def step(self, current: Tensor, membrane: Tensor) -> tuple[Tensor, Tensor]:
        return F.relu(current), membrane


class _LifWindow(torch.autograd.Function):
    """The LIF recurrence over a whole window as one node of the autograd graph; the reset is detached."""

    @staticmethod
    def forward(ctx: Any, current: Tensor, steps: int, leak: float, threshold: float) -> Tensor:
        current = _dense(current)
        spikes, u = torch.empty_like(current), torch.empty_like(current)
        for x_c, s_c, u_c in _chunks(steps, current, spikes, u):
            _fire(x_c, s_c, u_c, leak, threshold)
        ctx.save_for_backward(u, spikes)
        ctx.settings = steps, leak, threshold
        return spikes

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        u, spikes = ctx.saved_tensors
        steps, leak, threshold = ctx.settings
        grad_spikes = _like_memory(grads[0], u)
        grad = torch.empty_like(u)
        for gs_c, g_c, s_c, u_c in _chunks(steps, grad_spikes, grad, spikes, u):
            _fire_backward(gs_c, g_c, s_c, u_c, leak, threshold)
        return grad, None, None, None


# `Function.apply` carries no types.
_lif_window = cast("Callable[[Tensor, int, float, float], Tensor]", _LifWindow.apply)


def _fire(x: Tensor, spikes: Tensor, u: Tensor, leak: float, threshold: float) -> None:
    """Fill `spikes` and membranes `u` from currents `x`. Shape: all (T, N)."""
    membrane = torch.zeros_like(x[0])
    for t in range(x.shape[0]):
        torch.add(x[t], membrane, out=u[t])
        torch.gt(u[t], threshold, out=spikes[t])
        torch.mul(u[t], leak, out=membrane)
        membrane.addcmul_(membrane, spikes[t], value=-1)


def _fire_backward(
    grad_spikes: Tensor, grad: Tensor, spikes: Tensor, u: Tensor, leak: float, threshold: float
) -> None:
    """Fill `grad` (by the currents) from `grad_spikes`, last step first. Shape: all (T, N)."""
    low, high = threshold - SURROGATE_HALF_WIDTH, threshold + SURROGATE_HALF_WIDTH
    carry: Tensor | None = None
    for t in reversed(range(u.shape[0])):
        # The derivative of hardtanh is the rectangle: 1 strictly between low and high.
        torch.ops.aten.hardtanh_backward.grad_input(grad_spikes[t], u[t], low, high, grad_input=grad[t])
        if carry is not None:
            grad[t].add_(torch.addcmul(carry, carry, spikes[t], value=-1), alpha=leak)
        carry = grad[t]


def _dense(x: Tensor) -> Tensor:
    """`x` without holes in memory, in its own memory format."""
    if x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last):
        return x
    return x.contiguous()


def _like_memory(x: Tensor, other: Tensor) -> Tensor:
    """`x` laid out in memory as `other` is, so that both can be walked in one order."""
    if x.stride() == other.stride():
        return x
    return torch.empty_like(other).copy_(x)


def _chunks(steps: int, *tensors: Tensor) -> list[tuple[Tensor, ...]]:
    """Equally laid out tensors as (steps, n) views in memory order; on the CPU in pieces of a cache."""
    size = tensors[0].numel() // steps
    flat = [t.as_strided((steps, size), (size, 1)) for t in tensors]
    if tensors[0].device.type != "cpu" or size <= _CHUNK:
        return [tuple(flat)]
    return list(zip(*(torch.split(t, _CHUNK, dim=1) for t in flat), strict=True))


class Fire(Protocol):
    """How a block makes its neurons fire: over a whole window, or one step with the membranes at hand."""

    def __call__(self, neuron: Neuron, current: Tensor) -> Tensor: ...
