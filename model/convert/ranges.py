"""`percentiles`: how large activations get over the calibration data, exactly, in one pass."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from model.convert.graph import INPUT, Graph, Node
from model.convert.method import Progress, told
from model.convert.ops import Activation
from model.errors import BadSetting

DEAD = 1e-6
"""A channel whose range is below this share of its layer's is dead: it takes the layer's range instead."""


@torch.no_grad()
def percentiles(
    graph: Graph,
    calibration: Sequence[Tensor],
    names: Collection[str],
    percentile: float,
    progress: Progress,
    *,
    channel_wise: bool = False,
) -> dict[str, Tensor]:
    """The percentile of the values of each node that are not zero (Rueckauer 2017, section 2.2.2).

    As `numpy.percentile` with linear interpolation would give it over all samples, channels and positions. 1
    for a node that is zero throughout. Of a leaky ReLU the absolute values count, of a layer of weights the
    signed ones. By channel (Spiking-YOLO, arXiv 1903.06530) a dead one takes the layer's.

    Args:
        graph: the ANN.
        calibration: batches (B, ...) of one shape.
        names: of nodes.
        percentile: above 0, at most 100, which is the maximum.
        progress: told how far it is.
        channel_wise: one number a channel, (C, 1, 1) or (N,), in place of one a layer, ().

    Raises:
        BadSetting: `percentile` is out of range.
    """
    if not 0 < percentile <= 100:
        raise BadSetting(f"percentile is {percentile}; give a number above 0, at most 100 for the maximum")
    shapes = graph.shapes(tuple(calibration[0].shape[1:]))
    rows = sum(len(batch) for batch in calibration)
    layers = {name: _Top(1, rows * math.prod(shapes[name]), percentile) for name in names}
    channels = {
        name: _Top(shapes[name][0], rows * math.prod(shapes[name][1:]), percentile)
        for name in (names if channel_wise else ())
    }
    for batch in told(calibration, "measuring activations", progress):
        for name, value in graph.run({INPUT: batch}, names).items():
            found = _magnitudes(graph.node(name), value)
            layers[name].add(found.reshape(1, -1))
            if name in channels:
                channels[name].add(found.transpose(0, 1).flatten(1))
    return {name: _range(layers[name], channels.get(name), len(shapes[name])) for name in names}


def _magnitudes(node: Node, value: Tensor) -> Tensor:
    signed = isinstance(node.op, Activation) and node.op.slope
    return value.abs() if signed else value


def _range(layer: _Top, channels: _Top | None, dims: int) -> Tensor:
    whole = layer.percentile()
    whole = torch.where(whole.isfinite() & (whole > 0), whole, 1.0)
    if channels is None:
        return whole[0]
    single = channels.percentile()
    alive = single.isfinite() & (single > DEAD * whole)
    return torch.where(alive, single, whole).view(-1, *(1,) * (dims - 1))


class _Top:
    """The highest of many numbers, as many as a percentile may need, for several channels.

    Of n numbers above 0 the percentile p is the one with (n - 1) * (1 - p / 100) above it. n is not known
    before the end, but no larger than `total`.
    """

    def __init__(self, channels: int, total: int, percentile: float) -> None:
        self.share = percentile / 100
        self.keep = math.ceil((total - 1) * (1 - self.share)) + 2
        self.kept: Tensor | None = None
        self.count = torch.zeros(channels, dtype=torch.int64)

    def add(self, values: Tensor) -> None:
        """Take in values (C, M); zeros do not count."""
        self.count += (values != 0).sum(1).cpu()
        values = values.masked_fill(values == 0, -math.inf)
        if self.kept is not None:
            values = torch.cat((self.kept, values), dim=1)
        self.kept = values.topk(min(self.keep, values.shape[1]), dim=1).values

    def percentile(self) -> Tensor:
        """(C,), linear between the two nearest; minus infinity where there was nothing."""
        if self.kept is None:
            return torch.full(self.count.shape, -math.inf)
        count = self.count.to(self.kept.device)
        place = (count - 1).clamp(min=0).double() * self.share
        below = place.floor().long()
        last = self.kept.shape[1] - 1
        low = self._at((count - 1 - below).clamp(0, last))
        high = self._at((count - 2 - below).clamp(0, last))
        part = (place - below).to(low)
        return torch.where(part > 0, low + (high - low) * part, low)

    def _at(self, place: Tensor) -> Tensor:
        assert self.kept is not None
        return self.kept.gather(1, place.unsqueeze(1)).squeeze(1)
