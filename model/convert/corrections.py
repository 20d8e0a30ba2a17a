"""What SNN Calibration corrects of one layer while all before it spike: its bias, its initial potential.

Li et al., ICML 2021, section 4; `model.convert.weight_calibration` has the third correction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from model.convert.graph import INPUT, Graph
from model.convert.network import SpikingNetwork
from model.convert.simulate import mean_values


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What a layer is held against.

    Attributes:
        ann: the network as it was before any correction.
        batches: of calibration data, (B, ...) each.
        steps: T.
    """

    ann: Graph
    batches: Sequence[Tensor]
    steps: int

    @torch.no_grad()
    def mean_gap(self, network: SpikingNetwork, name: str) -> Tensor:
        """By how much the ANN's activation is above the mean of the spikes over T steps, mean over rows.

        Shape: (C, H, W), a layer's values without the batch.
        """
        rows, total = 0, torch.zeros(())
        for batch in self.batches:
            spikes = mean_values(network, batch, self.steps, [name])[name]
            gap = self.ann.run({INPUT: batch}, [name])[name] - spikes
            rows, total = rows + len(batch), total + gap.sum(0)
        return total / rows


class Correction(Protocol):
    """Changes one layer of a network in place; those before it have been corrected already."""

    def correct(self, network: SpikingNetwork, name: str, reference: Reference) -> None:
        """Correct the layer of neurons of this name."""
        ...


@dataclass(frozen=True, slots=True)
class Bias:
    """Adds to each channel's current by how much its mean output over rows and positions is too low.

    A current of the neuron in place of a bias of the layer before it: where branches are summed there are
    several such layers, and a pool has none.

    Attributes:
        rounds: of each layer; one as published. Neurons below zero do not follow, so a round takes off about
            as much of the error as is the share of those that do.
    """

    rounds: int = 1

    @torch.no_grad()
    def correct(self, network: SpikingNetwork, name: str, reference: Reference) -> None:
        """See `Correction`."""
        neuron = network.neurons[name]
        for _ in range(self.rounds):
            gap = reference.mean_gap(network, name)
            positions = tuple(range(1, gap.dim()))
            neuron.extra = neuron.extra + (gap.mean(positions, keepdim=True) if positions else gap)


@dataclass(frozen=True, slots=True)
class Potential:
    """Starts each neuron with what it was short of in all T steps together, the mean over rows.

    One number a neuron, so the network is for inputs of this size from then on.
    """

    @torch.no_grad()
    def correct(self, network: SpikingNetwork, name: str, reference: Reference) -> None:
        """See `Correction`."""
        neuron = network.neurons[name]
        neuron.initial = neuron.initial + reference.steps * reference.mean_gap(network, name)
