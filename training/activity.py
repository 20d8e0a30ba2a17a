"""What neurons do over many windows: firing rates, operations, energy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from model.sites import Sites

# 45 nm, 32 bit: Horowitz, ISSCC 2014; the figures the spiking literature compares by.
ACCUMULATE_PJ, MULTIPLY_ACCUMULATE_PJ = 0.9, 4.6


@dataclass(frozen=True, slots=True)
class Activity:
    """Means over windows.

    Attributes:
        firing: spikes per neuron and step of each layer, by the layer's name.
        firing_rate: the same over all neurons.
        synops: synaptic operations a window: accumulations that spikes cause.
        macs: multiply-accumulates a window, of convolutions with real-valued input.
        energy_mj: of both, 0.9 and 4.6 pJ each.
        dense_mj: of the same convolutions with real-valued input throughout, one step a window, as the
            conventional twin runs.
    """

    firing: dict[str, float]
    firing_rate: float
    synops: float
    macs: float
    energy_mj: float
    dense_mj: float


class ActivitySum:
    """Adds up the activity that `Network.step` gives."""

    def __init__(self, sites: Sites) -> None:
        self.spiking = [site for site in sites.neurons if site.spiking]
        self.kernels = sites.kernels
        self.sums = torch.zeros(len(self.spiking), 2, dtype=torch.float64)
        self.row_steps = 0
        self.windows = 0

    def add(self, counts: Tensor) -> None:
        """Add one step of a batch: (B, L, 2) spikes and synaptic operations."""
        self.sums += counts.double().sum(0).cpu()
        self.row_steps += counts.shape[0]

    def mean(self) -> Activity:
        """Means over what was added; `windows` says how many windows that were."""
        steps, windows = max(self.row_steps, 1), max(self.windows, 1)
        spikes = self.sums[:, 0].tolist()
        neurons = [site.neurons for site in self.spiking]
        synops = float(self.sums[:, 1].sum()) / windows
        # The head's convolutions read the mean over time, once a window.
        per_step = sum(k.macs for k in self.kernels if not k.driver and not k.name.startswith("detect"))
        head = sum(k.macs for k in self.kernels if k.name.startswith("detect"))
        macs = per_step * steps / windows + head
        dense = sum(k.macs for k in self.kernels)
        return Activity(
            firing={s.name: n / (s.neurons * steps) for s, n in zip(self.spiking, spikes, strict=True)},
            firing_rate=sum(spikes) / (max(sum(neurons), 1) * steps),
            synops=synops,
            macs=float(macs),
            energy_mj=(synops * ACCUMULATE_PJ + macs * MULTIPLY_ACCUMULATE_PJ) * 1e-9,
            dense_mj=dense * MULTIPLY_ACCUMULATE_PJ * 1e-9,
        )
