"""What neurons do over many windows: firing rates, operations, energy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from model.energy import dense_macs, energy_mj
from model.layout import Layout
from model.sites import sites


@dataclass(frozen=True, slots=True)
class Activity:
    """Means over windows.

    Attributes:
        firing: spikes per neuron and step (of a converted network, simulation step) of each layer, by name.
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
    """Adds up the activity that `Runnable.step` gives on a `height` x `width` grid, in `ticks` a step."""

    def __init__(self, layout: Layout, height: int, width: int, ticks: int = 1) -> None:
        places = sites(layout, height, width)
        self.spiking = [site for site in places.neurons if site.spiking]
        self.ticks = ticks
        self.step_macs, self.head_macs = places.real_macs(ticks)
        self.dense_mj = energy_mj(0.0, float(dense_macs(layout, height, width)))
        rows = len(self.spiking) + (places.input is not None)
        self.sums = torch.zeros(rows, 2, dtype=torch.float64)
        self.row_steps = 0
        self.windows = 0

    def add(self, counts: Tensor) -> None:
        """Add one step of a batch: (B, L, 2) spikes and synaptic operations, the input's events last."""
        self.sums += counts.double().sum(0).cpu()
        self.row_steps += counts.shape[0]

    def mean(self) -> Activity:
        """Means over what was added; `windows` says how many windows that were."""
        steps, windows = max(self.row_steps, 1), max(self.windows, 1)
        ticks = steps * self.ticks
        spikes = self.sums[: len(self.spiking), 0].tolist()
        neurons = [site.neurons for site in self.spiking]
        synops = float(self.sums[:, 1].sum()) / windows
        macs = self.step_macs * steps / windows + self.head_macs
        return Activity(
            firing={s.name: n / (s.neurons * ticks) for s, n in zip(self.spiking, spikes, strict=True)},
            firing_rate=sum(spikes) / (max(sum(neurons), 1) * ticks),
            synops=synops,
            macs=macs,
            energy_mj=energy_mj(synops, macs),
            dense_mj=self.dense_mj,
        )
