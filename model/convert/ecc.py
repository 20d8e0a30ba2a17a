"""ECC: Wu, Yi and Huang, "A little energy goes a long way: build an energy-efficient, accurate spiking neural
network from convolutional neural network", Frontiers in Neuroscience 16:759900, 2022 (arXiv 2103.00944).

Its three parts here:

- current normalisation: each layer of neurons has its highest activation for a threshold, and its spikes
  carry that, so a current needs no rescaling on its way from one layer's unit to the next's. The published
  amplification of currents cancels out. A sum of branches is one of real values, so branches need no common
  unit.
- thresholding for residual elimination: membranes start at a share of the threshold, so what is left in them
  in the end is centred on zero.
- consistency maintenance for batch normalisation: norms are folded with their own epsilon
  (`model.convert.fold`).

The paper's tool evaluates counts of spikes layer by layer, without time: that is `counts.count_domain`. What
runs step by step is `simulate.simulate`. They answer different questions, and their figures never share a
table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from model.convert.graph import Graph
from model.convert.method import Progress
from model.convert.network import SpikingNetwork, SpikingSettings
from model.convert.ops import PARAMETRIC
from model.convert.ranges import percentiles
from model.errors import BadSetting

PUBLISHED = SpikingSettings(average_pool="spiking", readout="spikes")
"""Layers as the published tool has them: neurons behind pools and for the outputs too."""


@dataclass(frozen=True, slots=True)
class ECC:
    """Settings of the method; a `Method`.

    Attributes:
        residual: V(0) as a share of the threshold, eta in the paper, 0.5 as published; 0 eliminates nothing.
        channel_wise: a threshold a channel in place of one a layer, as published.
        weight_bits: of each weight, its sign included; None leaves weights as they are.
        spiking: what layers do; `PUBLISHED` for `count_domain`.
    """

    residual: float = 0.5
    channel_wise: bool = False
    weight_bits: int | None = None
    spiking: SpikingSettings = field(default_factory=SpikingSettings)

    def __post_init__(self) -> None:
        if not 0 <= self.residual < 1:
            raise BadSetting(
                f"residual is {self.residual}; give a share of the threshold, 0 or more, below 1"
            )
        if self.weight_bits is not None and not 2 <= self.weight_bits <= 24:
            raise BadSetting(
                f"weight_bits is {self.weight_bits}; give 2 to 24, or None to leave weights alone"
            )

    @property
    def name(self) -> str:
        """Of the method."""
        return "ecc"

    def convert(self, graph: Graph, calibration: Sequence[Tensor], progress: Progress) -> SpikingNetwork:
        """See `Method`."""
        network = SpikingNetwork(graph, self.spiking)
        highest = percentiles(
            network.graph, calibration, tuple(network.neurons), 100, progress, channel_wise=self.channel_wise
        )
        for name, neuron in network.neurons.items():
            neuron.threshold = highest[name]
            neuron.initial = self.residual * highest[name]
        if self.weight_bits is not None:
            for node in network.graph.of_kind("affine"):
                if isinstance(node.op, PARAMETRIC):
                    node.op.weight = nn.Parameter(
                        quantized(node.op.weight, self.weight_bits), requires_grad=False
                    )
        return network


def quantized(weight: Tensor, bits: int) -> Tensor:
    """The weight in whole multiples of 2^(1 - bits) of its highest absolute value, cut off towards zero."""
    highest, levels = weight.abs().amax(), float(2 ** (bits - 1))
    unit = torch.where(highest > 0, highest, 1.0) / levels
    return (weight / unit).trunc() * unit
