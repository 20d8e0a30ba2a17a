"""Thresholds for a given number of steps: the lowest error (MMSE), the maximum, or a percentile, as SNN
Calibration finds them (Li et al., "A free lunch from ANN: towards efficient, accurate spiking neural networks
calibration", ICML 2021).

Each batch of calibration data gives a threshold, and a moving average goes over the batches.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from model.convert.graph import INPUT, Graph
from model.convert.method import Progress, told
from model.convert.ranges import DEAD
from model.errors import BadSetting

ThresholdRule = Literal["mmse", "max", "percentile"]
CANDIDATES = 95
"""Thresholds tried by "mmse": the maximum less 0, 1, 2 ... 94 per cent of it."""


@dataclass(frozen=True, slots=True)
class ThresholdSettings:
    """How thresholds are found.

    Attributes:
        rule: "mmse" takes that of `CANDIDATES` with the least squared error between the activations and what
            neurons can say of them in T steps; "max" the highest activation; "percentile" one of those that
            are not zero.
        percentile: of rule "percentile".
        channel_wise: a threshold a channel in place of one a layer.
        momentum: share of each new batch in the moving average over batches; None takes the highest of all
            batches.
    """

    rule: ThresholdRule = "mmse"
    percentile: float = 99.9
    channel_wise: bool = False
    momentum: float | None = 0.1

    def __post_init__(self) -> None:
        if self.rule not in get_args(ThresholdRule):
            raise BadSetting(f"threshold is {self.rule!r}; it may be {', '.join(get_args(ThresholdRule))}")
        if not 0 < self.percentile <= 100:
            raise BadSetting(f"percentile is {self.percentile}; give a number above 0, at most 100")
        if self.momentum is not None and not 0 < self.momentum <= 1:
            raise BadSetting(f"momentum is {self.momentum}; give a share above 0, at most 1, or None")


@torch.no_grad()
def thresholds(
    graph: Graph,
    calibration: Sequence[Tensor],
    names: Collection[str],
    steps: int,
    settings: ThresholdSettings,
    progress: Progress,
) -> dict[str, Tensor]:
    """A threshold for each activation by name, () or (C, 1, 1).

    A batch in which a layer or channel is zero throughout says nothing of it. A channel that no batch moves
    takes its layer's threshold, a layer that none moves 1. Of a leaky ReLU the absolute values count.

    Args:
        graph: the ANN.
        calibration: batches (B, ...) of one shape.
        names: of activations.
        steps: T, which "mmse" depends on.
        settings: how.
        progress: told how far it is.
    """
    rule = _rule(settings, steps)
    layers = {name: _Average(settings.momentum) for name in names}
    channels = {name: _Average(settings.momentum) for name in names}
    for batch in told(calibration, "finding thresholds", progress):
        for name, value in graph.run({INPUT: batch}, names).items():
            found = _ascending(value.reshape(1, -1))
            layers[name].add(_alive(rule, found, found[0, -1]))
            if settings.channel_wise:
                by_channel = _ascending(value.transpose(0, 1).flatten(1))
                channels[name].add(_alive(rule, by_channel, found[0, -1]))
    shapes = graph.shapes(tuple(calibration[0].shape[1:]))
    return {name: _filled(layers[name].value, channels[name].value, len(shapes[name])) for name in names}


def least_error(values: Tensor, steps: int) -> Tensor:
    """The threshold whose T + 1 levels, 0, theta / T ... theta, lose the least of the values (MMSE).

    The squared error of clip(floor(T a / theta), 0, T) theta / T is summed from running totals of the
    values in order, which gives the same as quantising them for each candidate, in a small part of the time.

    Args:
        values: not negative, ascending in each row. Shape: (C, M).
        steps: T.

    Returns:
        (C,) float64; of candidates as good as each other the highest.
    """
    values = values.double().contiguous()
    highest, count = values[:, -1], values.shape[1]
    totals = torch.nn.functional.pad(values.cumsum(1), (1, 0))
    squares = values.square().sum(1)
    level = torch.arange(1, steps + 1, dtype=torch.float64, device=values.device)
    best, least = highest.clone(), torch.full_like(highest, torch.inf)
    for percent in range(CANDIDATES):
        unit = (highest * (1 - percent / 100) / steps).unsqueeze(1)
        below = torch.searchsorted(values, unit * level)
        product = unit[:, 0] * (totals[:, -1:] - totals.gather(1, below)).sum(1)
        square = unit[:, 0].square() * ((2 * level - 1) * (count - below)).sum(1)
        error = squares - 2 * product + square
        better = error < least
        best, least = torch.where(better, unit[:, 0] * steps, best), torch.where(better, error, least)
    return best


class _Average:
    """A moving average over batches, or the highest; numbers that are missing (NaN) are passed over."""

    def __init__(self, momentum: float | None) -> None:
        self.momentum = momentum
        self.value: Tensor | None = None

    def add(self, found: Tensor) -> None:
        if self.value is None:
            self.value = found
            return
        if self.momentum is None:
            mixed = torch.maximum(self.value, found)
        else:
            mixed = (1 - self.momentum) * self.value + self.momentum * found
        known = torch.where(self.value.isnan(), found, mixed)
        self.value = torch.where(found.isnan(), self.value, known)


def _ascending(values: Tensor) -> Tensor:
    return values.abs().sort(dim=1).values


def _alive(rule: Callable[[Tensor], Tensor], values: Tensor, highest: Tensor) -> Tensor:
    """The rule's threshold of each row, NaN where all are nothing beside the layer's highest value."""
    alive = values[:, -1] > DEAD * highest
    return torch.where(alive, rule(values).to(values), torch.nan)


def _rule(settings: ThresholdSettings, steps: int) -> Callable[[Tensor], Tensor]:
    match settings.rule:
        case "mmse":
            return lambda values: least_error(values, steps)
        case "max":
            return lambda values: values[:, -1]
        case "percentile":
            return lambda values: _percentiles(values, settings.percentile)


def _percentiles(values: Tensor, percentile: float) -> Tensor:
    """Of what is not zero in each row, linear between the two nearest."""
    count = (values != 0).sum(1).clamp(min=1)
    place = values.shape[1] - count + (count - 1).double() * (percentile / 100)
    low = place.floor().long()
    high = (low + 1).clamp(max=values.shape[1] - 1)
    below, above = (values.gather(1, at.unsqueeze(1))[:, 0] for at in (low, high))
    return torch.lerp(below, above, (place - low).to(values))


def _filled(layer: Tensor | None, channels: Tensor | None, dims: int) -> Tensor:
    assert layer is not None
    whole = torch.where(layer.isnan(), 1.0, layer)
    if channels is None:
        return whole[0]
    return torch.where(channels.isnan(), whole, channels).view(-1, *(1,) * (dims - 1))
