"""How an input comes in: as a constant current, as random spikes, or as bins of an event stream."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from model.convert.flow import Flow
from model.errors import BadCalibration, BadSetting


class InputCode(Protocol):
    """How an input is shown to a network. Its mean over time is the ANN's input."""

    @property
    def flow(self) -> Flow:
        """What the network gets: the same in every step, spikes, or real values."""
        ...

    def at(self, x: Tensor, time: int) -> Tensor:
        """The input of step `time`, 0 the first, (B, ...)."""
        ...

    def events(self, value: Tensor) -> Tensor:
        """How many spikes each value of `at` stands for; asked only where the flow is "spikes"."""
        ...


@dataclass(frozen=True, slots=True)
class Analog:
    """The same real-valued current in every step. The layers before the first neurons are computed once."""

    flow: Flow = "static"

    def at(self, x: Tensor, time: int) -> Tensor:
        return x

    def events(self, value: Tensor) -> Tensor:
        return (value != 0).to(value)


@dataclass(frozen=True, slots=True)
class Poisson:
    """Random spikes with a probability that follows the value, signed as it is (Rueckauer 2017, section 2.2).

    Attributes:
        peak: absolute value that spikes most often; what is above is cut off.
        rate: probability of a spike in a step at the peak, above 0, at most 1. A spike's amplitude is peak /
            rate, so that the mean is the value whatever the rate is.
        seed: the same seed and step draw the same spikes.
    """

    peak: float = 1.0
    rate: float = 1.0
    seed: int = 0
    flow: Flow = "spikes"

    def __post_init__(self) -> None:
        if not (0 < self.peak < math.inf and 0 < self.rate <= 1):
            raise BadSetting(
                f"peak is {self.peak} and rate {self.rate}; give a peak above 0 and a rate in 0..1, not 0"
            )

    def at(self, x: Tensor, time: int) -> Tensor:
        generator = torch.Generator(x.device).manual_seed(self.seed + time)
        chance = (self.rate / self.peak * x.abs()).clamp(max=self.rate)
        return x.sign() * (self.peak / self.rate) * torch.bernoulli(chance, generator=generator)

    def events(self, value: Tensor) -> Tensor:
        return (value != 0).to(value)


@dataclass(frozen=True, slots=True)
class EventStream:
    """Bins of an event stream, one a step, over and over where there are more steps than bins.

    The input is (N, B, C, H, W): N bins in the order of time. The ANN's input is their mean, so a network
    trained on the sum of a window takes N times each bin.

    Attributes:
        counts: whether values count events, each of which acts as a spike; otherwise they are real numbers,
            which cost multiplications.
    """

    counts: bool = True

    @property
    def flow(self) -> Flow:
        return "spikes" if self.counts else "current"

    def at(self, x: Tensor, time: int) -> Tensor:
        if x.dim() < 3 or not len(x):
            raise BadCalibration(f"an event stream is (bins, B, ...), got {tuple(x.shape)}")
        return x[time % len(x)]

    def events(self, value: Tensor) -> Tensor:
        return value.abs()
