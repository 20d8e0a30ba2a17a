"""Integrate-and-fire neurons of converted networks, as a value and a step.

Every step a neuron adds its current to its membrane and fires where that reaches the threshold. A spike
carries the threshold as its amplitude, so nothing upstream or downstream has to be rescaled: over T steps the
sum of what it sent is theta * (number of spikes), and the mean is what stands for the ANN's activation.

Membranes are kept relative to their initial potential V(0), so that a state of zeros is the state at rest for
every neuron (`model.state`): V = V(0) + m.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import torch
from torch import Tensor, nn

from model.errors import BadSetting

TIE = 1000
"""A membrane this many roundings short of the threshold has reached it. Sums that are exactly the threshold
are no chance: four spikes of theta through an average pool make theta / 4 each. Rounding must not put their
spike off."""

Reset = Literal["subtract", "zero", "modulo"]


class Neuron(Protocol):
    """One layer of neurons; its membranes are the caller's."""

    def step(self, current: Tensor, membrane: Tensor, time: int) -> tuple[Tensor, Tensor]:
        """What the neurons send in step `time`, 0 the first, and their next membranes; all (B, ...)."""
        ...


@dataclass(frozen=True, slots=True)
class IFSettings:
    """What a layer of integrate-and-fire neurons does.

    Attributes:
        reset: "subtract" takes the threshold off the membrane of a neuron that fired (soft reset: nothing is
            lost, theta * sum(s) = V(0) + sum(z) - V(T)); "zero" empties it, "modulo" takes off as many
            thresholds as it holds (both lose what is above; Rueckauer 2017, section 2.2).
        slope: 0 for ReLU. Above 0 the neuron is signed, with an imbalanced threshold (Spiking-YOLO, arXiv
            1903.06530): where the membrane falls to -theta / slope it sends -theta, so that the mean is
            slope * z below zero. 1 is the identity.
    """

    reset: Reset = "subtract"
    slope: float = 0.0

    def __post_init__(self) -> None:
        if self.reset not in get_args(Reset):
            raise BadSetting(f"reset is {self.reset!r}; it may be {', '.join(get_args(Reset))}")
        if not 0 <= self.slope <= 1:
            raise BadSetting(f"slope is {self.slope}; give 0 for ReLU, or that of the leaky ReLU, at most 1")


class IF(nn.Module):
    """A layer of integrate-and-fire neurons.

    Attributes:
        settings: what they do.
        threshold: theta, above 0: amplitude of a spike. Shape: () or (C, 1, 1), whatever broadcasts to the
            layer's values without the batch.
        initial: V(0), in the membrane's units; the same shapes, or one a neuron (C, H, W).
        extra: current added every step, as SNN Calibration's shift and its bias; the same shapes.
    """

    threshold: Tensor
    initial: Tensor
    extra: Tensor

    def __init__(self, settings: IFSettings, threshold: Tensor) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("threshold", threshold)
        self.register_buffer("initial", threshold.new_zeros(()))
        self.register_buffer("extra", threshold.new_zeros(()))

    def step(self, current: Tensor, membrane: Tensor, time: int = 0) -> tuple[Tensor, Tensor]:
        """One step. Shape: all (B, ...). `membrane` is relative to V(0): zeros at rest."""
        u = membrane + current + self.extra
        reached = 1 - TIE * torch.finfo(u.dtype).eps
        sent = self.threshold * (u >= reached * self.threshold - self.initial)
        if self.settings.slope:
            lower = -self.threshold / self.settings.slope
            fell = u <= reached * lower - self.initial
            return sent - self.threshold * fell, self._after(u, sent + lower * fell)
        return sent, self._after(u, sent)

    def potential(self, membrane: Tensor) -> Tensor:
        """V, the membrane itself, from what a state keeps of it."""
        return self.initial + membrane

    def _after(self, u: Tensor, spent: Tensor) -> Tensor:
        """Membrane after the reset; `spent` is the charge of the spike, negative or not, else 0."""
        match self.settings.reset:
            case "subtract":
                return u - spent
            case "zero":
                return torch.where(spent != 0, -self.initial, u)
            case "modulo":
                charge = torch.where(spent != 0, spent, self.threshold)
                held = (u + self.initial) / charge + TIE * torch.finfo(u.dtype).eps
                return torch.where(spent != 0, u - held.floor() * charge, u)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take tensors of any shape that a conversion may have given them."""
        for name in ("threshold", "initial", "extra"):
            if prefix + name in state:
                setattr(self, name, getattr(self, name).new_empty(state[prefix + name].shape))
        super()._load_from_state_dict(state, prefix, *rest)


class SoftmaxNeuron(nn.Module):
    """Output neurons that never reset and spike at random, each by its softmax (Rueckauer 2017, section 2.2).

    In step t a neuron spikes with probability softmax(V(t)), whose membranes add up what came in so far. The
    same seed and step draw the same numbers.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def step(self, current: Tensor, membrane: Tensor, time: int) -> tuple[Tensor, Tensor]:
        """One step. Shape: all (B, classes)."""
        membrane = membrane + current
        generator = torch.Generator(membrane.device).manual_seed(self.seed + time)
        return torch.bernoulli(membrane.softmax(1), generator=generator), membrane
