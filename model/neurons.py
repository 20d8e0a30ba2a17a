"""The neurons: leaky integrate-and-fire, the SiLU recurrence of the published `Conv`, and ReLU for the twin.

LIF (EMS-YOLO, arXiv 2307.11411, eq. 1-3): u[t] = leak * u[t-1] * (1 - s[t-1]) + x[t], s[t] = 1 where u[t] >
threshold, strictly. The state carried between steps is what is left of the membrane after leak and reset,
m[t] = leak * u[t] * (1 - s[t]), so that u[t+1] = m[t] + x[t+1]. `model.firing` runs whole windows.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.firing import Firing, fire_window, integer_spikes
from model.neuron_settings import NeuronSettings

LOWEST_THRESHOLD = 0.05
"""A learned threshold stays above this, a learned leak within 0..1."""


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
    """Leaky integrate-and-fire neurons.

    A leak or threshold that is learned is one parameter of the layer.
    """

    spiking = True

    def __init__(self, settings: NeuronSettings) -> None:
        super().__init__()
        self.settings = settings
        self.leak = _number(settings.leak, settings.learned in ("leak", "both"))
        self.threshold = _number(settings.threshold, settings.learned in ("threshold", "both"))

    def window(self, current: Tensor, steps: int) -> Tensor:
        return fire_window(current, steps, self._firing())

    def step(self, current: Tensor, membrane: Tensor) -> tuple[Tensor, Tensor]:
        firing = self._firing()
        u = membrane + current
        if self.settings.levels > 1:
            spikes = integer_spikes(u, self.settings)
            return spikes, firing.leak * (u - 2 * firing.threshold * spikes)
        fired = u > firing.threshold
        if self.settings.reset == "hard":
            return fired.to(u.dtype), torch.where(fired, 0.0, firing.leak * u)
        return fired.to(u.dtype), firing.leak * torch.where(fired, u - firing.threshold, u)

    def _firing(self) -> Firing:
        leak, threshold = self.leak, self.threshold
        return Firing(
            self.settings,
            leak.clamp(0, 1) if isinstance(leak, Tensor) else leak,
            threshold.clamp_min(LOWEST_THRESHOLD) if isinstance(threshold, Tensor) else threshold,
        )


def _number(value: float, learned: bool) -> nn.Parameter | float:
    return nn.Parameter(torch.tensor(value)) if learned else value


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


class Fire(Protocol):
    """How a block makes its neurons fire: over a whole window, or one step with the membranes at hand."""

    def __call__(self, neuron: Neuron, current: Tensor) -> Tensor: ...
