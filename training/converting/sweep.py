"""`Sweep`: what a converted network gives and costs after T simulation steps, for several T."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from model.convert.activity import Activity
from model.energy import energy_mj

STEPS = (8, 16, 32, 64, 128, 256)
"""T that a report covers unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Point:
    """One T.

    Attributes:
        steps: T.
        scores: by name, such as map50 or accuracy, 0..1.
        agreement: with the ANN, 0..1: of answers for a classifier, of boxes for a detector.
        spikes, synops, macs, updates: of one input, on the mean: spikes of all neurons, synaptic operations,
            multiply-accumulates, and updates of membranes, which cost nothing in `energy_mj`.
        energy_mj: of one input: 0.9 pJ a synaptic operation, 4.6 pJ a multiplication (`model.energy`).
        rates: spikes per neuron and simulation step of each layer, by name.
    """

    steps: int
    scores: Mapping[str, float]
    agreement: float
    spikes: float
    synops: float
    macs: float
    updates: float
    energy_mj: float
    rates: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Rival:
    """What a conversion is held against: the ANN, or an SNN that was trained as one.

    Attributes:
        name: of its weights.
        steps: T; 1 for an ANN.
        scores: as those of a point.
        synops, macs, energy_mj: of one input.
    """

    name: str
    steps: int
    scores: Mapping[str, float]
    synops: float
    macs: float
    energy_mj: float


@dataclass(frozen=True, slots=True)
class Sweep:
    """Everything that a report says.

    Attributes:
        name: of the converted weights.
        method: its name, and its settings as JSON values.
        settings: of the method.
        calibration: what it was calibrated on.
        measured_on: what it was measured on, in words, and how many inputs.
        inputs: how many.
        points: by rising T.
        ann: the network that was converted.
        trained: an SNN that was trained directly, measured on the same inputs; None where there is none.
        each_steps: whether every T has a conversion of its own.
    """

    name: str
    method: str
    settings: Mapping[str, Any]
    calibration: Mapping[str, Any]
    measured_on: str
    inputs: int
    points: Sequence[Point]
    ann: Rival
    trained: Rival | None = None
    each_steps: bool = False

    @property
    def break_even_steps(self) -> float | None:
        """The T at which one input costs what it costs the ANN, by straight lines between points.

        Below the first point the line through it and what T = 0 costs, its multiplications alone, is taken.
        None where every T measured costs less.
        """
        before_steps, before_mj = 0, self._fixed_mj
        for point in self.points:
            if point.energy_mj >= self.ann.energy_mj:
                share = (self.ann.energy_mj - before_mj) / (point.energy_mj - before_mj)
                return before_steps + share * (point.steps - before_steps)
            before_steps, before_mj = point.steps, point.energy_mj
        return None

    @property
    def _fixed_mj(self) -> float:
        # What every T has: at most what the first point multiplies, and never more than the ANN's energy.
        return min(energy_mj(0.0, min(point.macs for point in self.points)), self.ann.energy_mj)


@dataclass(slots=True)
class Tally:
    """Adds up the activity of batches at one T."""

    steps: int
    inputs: int = 0
    spikes: float = 0.0
    synops: float = 0.0
    macs: float = 0.0
    updates: float = 0.0
    energy_mj: float = 0.0
    rates: dict[str, float] = field(default_factory=dict)

    def add(self, activity: Activity) -> None:
        """Take in a batch."""
        rows = len(activity.energy_mj)
        self.inputs += rows
        self.spikes += _sum(activity.total_spikes)
        self.synops += _sum(activity.total_synops)
        self.macs += rows * activity.total_macs
        self.updates += rows * activity.updates
        self.energy_mj += _sum(activity.energy_mj)
        for name, rate in activity.rates.items():
            self.rates[name] = self.rates.get(name, 0.0) + _sum(rate)

    def point(self, scores: Mapping[str, float], agreement: float) -> Point:
        """The mean over all inputs."""
        n = max(self.inputs, 1)
        rates = {name: rate / n for name, rate in self.rates.items()}
        return Point(
            self.steps, dict(scores), agreement, self.spikes / n, self.synops / n, self.macs / n,
            self.updates / n, self.energy_mj / n, rates,
        )  # fmt: skip


def _sum(values: Tensor) -> float:
    return float(values.double().sum()) if values.dim() else float(values)


def batches_of(values: Tensor, batch: int) -> list[Tensor]:
    """Rows (N, ...) in batches."""
    return list(torch.split(values, batch)) if len(values) else []
