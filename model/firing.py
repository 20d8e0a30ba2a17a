"""`fire_window`: the recurrence of spiking neurons over a whole window as one node of the autograd graph.

The membrane is u[t] = m[t-1] + x[t]. A neuron emits s[t] spikes and keeps m[t]:

- hard reset: s = 1 where u > threshold, strictly; m = leak * u * (1 - s)
  (EMS-YOLO, arXiv 2307.11411, eq. 1-3);
- soft reset: the same s; m = leak * (u - threshold * s);
- integer spikes: s = round(u / q) within 0..levels, q = 2 * threshold; m = leak * (u - q * s)
  (I-LIF, SpikeYOLO, arXiv 2407.20708, which has q = 1).

The reset is detached: gradients flow through the membrane, never through the spikes that reset it. The
derivative of s by u is a surrogate of height 1 around the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from model.neuron_settings import NeuronSettings

Number: TypeAlias = Tensor | float

SURROGATE_HALF_WIDTH = 0.5
# Elements of a time step worked on at once: few enough to stay in cache, enough to hide the cost of a call.
_CHUNK = 131_072


@dataclass(frozen=True, slots=True, eq=False)
class Firing:
    """Settings with the leak and threshold in force: numbers, or scalar tensors where they are learned."""

    settings: NeuronSettings
    leak: Number
    threshold: Number


def fire_window(current: Tensor, steps: int, firing: Firing) -> Tensor:
    """Spikes of `steps` steps from the zero state. Shape: both (steps * B, C, H, W), time first."""
    return _window(current, firing.leak, firing.threshold, steps, firing.settings)


def integer_spikes(u: Tensor, settings: NeuronSettings) -> Tensor:
    """Spikes 0..levels of membranes `u`."""
    return (u / (2 * settings.threshold)).clamp(0, settings.levels).round()


class _FireWindow(torch.autograd.Function):
    """Leak and threshold come as arguments of their own, so that those learned get a gradient."""

    @staticmethod
    def forward(
        ctx: Any, current: Tensor, leak: Number, threshold: Number, steps: int, settings: NeuronSettings
    ) -> Tensor:
        current = _dense(current)
        spikes, u = torch.empty_like(current), torch.empty_like(current)
        firing = Firing(settings, leak, threshold)
        for x_c, s_c, u_c in _chunks(steps, current, spikes, u):
            _fire(x_c, s_c, u_c, firing)
        ctx.save_for_backward(u, spikes)
        ctx.steps, ctx.firing = steps, firing
        return spikes

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        u, spikes = ctx.saved_tensors
        grad_spikes = _like_memory(grads[0], u)
        grad = torch.empty_like(u)
        learned = [_zero_like(ctx.firing.leak), _zero_like(ctx.firing.threshold)]
        for gs_c, g_c, s_c, u_c in _chunks(ctx.steps, grad_spikes, grad, spikes, u):
            _fire_backward(gs_c, g_c, s_c, u_c, ctx.firing, learned)
        return grad, *learned, None, None


# `Function.apply` carries no types.
_window = cast("Callable[[Tensor, Number, Number, int, NeuronSettings], Tensor]", _FireWindow.apply)


def _zero_like(value: Number) -> Tensor | None:
    return torch.zeros_like(value) if isinstance(value, Tensor) else None


def _fire(x: Tensor, spikes: Tensor, u: Tensor, firing: Firing) -> None:
    """Fill `spikes` and membranes `u` from currents `x`. Shape: all (T, N)."""
    membrane = torch.zeros_like(x[0])
    for t in range(x.shape[0]):
        torch.add(x[t], membrane, out=u[t])
        if firing.settings.levels > 1:
            spikes[t].copy_(integer_spikes(u[t], firing.settings))
        else:
            torch.gt(u[t], firing.threshold, out=spikes[t])
        _reset(u[t], spikes[t], firing, membrane)


def _reset(u: Tensor, spikes: Tensor, firing: Firing, out: Tensor) -> None:
    """What reset and leak leave of the membrane."""
    if firing.settings.reset == "hard":
        torch.mul(u, firing.leak, out=out)
        out.addcmul_(out, spikes, value=-1)
        return
    torch.mul(spikes, _quantum(firing), out=out)
    torch.sub(u, out, out=out)
    out.mul_(firing.leak)


def _quantum(firing: Firing) -> Number:
    """What one spike takes from the membrane at a soft reset."""
    return firing.threshold * (2 if firing.settings.levels > 1 else 1)


def _fire_backward(
    grad_spikes: Tensor,
    grad: Tensor,
    spikes: Tensor,
    u: Tensor,
    firing: Firing,
    learned: list[Tensor | None],
) -> None:
    """Fill `grad` (by the currents) from `grad_spikes`, last step first, and add to `learned`.

    Shape: all (T, N); learned: gradients by leak and by threshold, or None.
    """
    by_leak, by_threshold = learned
    carry: Tensor | None = None
    for t in reversed(range(u.shape[0])):
        _surrogate_backward(grad_spikes[t], u[t], firing, grad[t])
        if by_threshold is not None:
            by_threshold.sub_(grad[t].sum())
        if carry is not None:
            if by_leak is not None:
                unleaked = torch.empty_like(carry)
                _reset(u[t], spikes[t], Firing(firing.settings, 1.0, firing.threshold), unleaked)
                by_leak.add_((carry * unleaked).sum())
            if firing.settings.reset == "hard":
                carry = torch.addcmul(carry, carry, spikes[t], value=-1)
            # In place with a factor: `add_` takes a number as alpha, never a tensor.
            grad[t].add_(carry * firing.leak) if isinstance(firing.leak, Tensor) else grad[t].add_(
                carry, alpha=firing.leak
            )
        carry = grad[t]


def _surrogate_backward(grad_spikes: Tensor, u: Tensor, firing: Firing, out: Tensor) -> None:
    """`grad_spikes` times the derivative that stands in for that of a spike, into `out`."""
    settings, threshold = firing.settings, firing.threshold
    if settings.surrogate == "rectangle" and not isinstance(threshold, Tensor):
        low, high, slope = threshold - SURROGATE_HALF_WIDTH, threshold + SURROGATE_HALF_WIDTH, 1.0
        if settings.levels > 1:
            low, high, slope = 0.0, 2 * threshold * settings.levels, 1 / (2 * threshold)
        # The derivative of hardtanh is the rectangle: 1 strictly between low and high.
        torch.ops.aten.hardtanh_backward.grad_input(grad_spikes, u, low, high, grad_input=out)
        if slope != 1.0:
            out.mul_(slope)
        return
    torch.mul(grad_spikes, SURROGATES[settings.surrogate](u - threshold), out=out)


def _sigmoid(distance: Tensor) -> Tensor:
    p = torch.sigmoid(4 * distance)
    return 4 * p * (1 - p)


SURROGATES: dict[str, Callable[[Tensor], Tensor]] = {
    "rectangle": lambda d: (d.abs() < SURROGATE_HALF_WIDTH).to(d.dtype),
    "triangle": lambda d: (1 - d.abs()).clamp_min(0),
    "arctan": lambda d: 1 / (1 + (math.pi * d).square()),
    "sigmoid": _sigmoid,
}
"""Derivatives of a spike by the membrane's distance from the threshold, height 1 (Neftci et al. 2019)."""


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
