"""SNN Calibration: Li et al., "A free lunch from ANN: towards efficient, accurate spiking neural networks
calibration", ICML 2021.

The error of a conversion to T steps gathers layer by layer: what a layer gets is not what the ANN's got.
So layers are corrected in order, each by what it gives for calibration data while everything before it
spikes already. All of it is for one number of steps.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from model.convert.corrections import Bias, Correction, Potential, Reference
from model.convert.graph import Graph
from model.convert.method import Progress
from model.convert.network import SpikingNetwork, SpikingSettings
from model.convert.thresholds import ThresholdSettings, thresholds
from model.convert.weight_calibration import Weights
from model.errors import BadSetting


@dataclass(frozen=True, slots=True)
class Calibration:
    """Settings of the method; a `Method`. As they stand the published light pipeline.

    The published advanced pipeline is Calibration(bias=0, potential=True), or that with weights=Weights() as
    well; no calibration is Calibration(threshold=ThresholdSettings("max"), bias=0).

    Attributes:
        steps: T, at least 1. The network is for this many: at others it works, uncalibrated.
        threshold: how thresholds are found.
        shift: adds theta / (2 T) to the current of each step, so that T steps round where they would cut off.
        weights: retrains the weights of each layer; the first correction. None leaves them.
        bias: how many rounds correct the mean of each channel (`corrections.Bias`), 0 for none.
        potential: gives each neuron an initial potential; the last correction.
        rows: of calibration data that bias and potential are corrected on, at least 1; one batch of 128 as
            published. It runs T steps once a layer on them.
        spiking: what layers do.
    """

    steps: int = 32
    threshold: ThresholdSettings = field(default_factory=ThresholdSettings)
    shift: bool = True
    weights: Weights | None = None
    bias: int = 1
    potential: bool = False
    rows: int = 128
    spiking: SpikingSettings = field(default_factory=SpikingSettings)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise BadSetting(f"steps is {self.steps}; calibrate for at least 1")
        if self.rows < 1 or self.bias < 0:
            raise BadSetting(
                f"rows is {self.rows} and bias {self.bias}; correct on at least 1 row, in 0 or more rounds"
            )

    @property
    def name(self) -> str:
        """Of the method."""
        return "calibration"

    def convert(self, graph: Graph, calibration: Sequence[Tensor], progress: Progress) -> SpikingNetwork:
        """See `Method`."""
        network = SpikingNetwork(graph, self.spiking)
        names = tuple(network.neurons)
        found = thresholds(network.graph, calibration, names, self.steps, self.threshold, progress)
        for name, neuron in network.neurons.items():
            neuron.threshold = found[name]
            if self.shift:
                neuron.extra = neuron.threshold / (2 * self.steps)
        ann = copy.deepcopy(network.graph)
        for what, correction, rows in self._corrections(calibration):
            reference = Reference(ann, rows, self.steps)
            for place, name in enumerate(names):
                progress(what, place / len(names))
                correction.correct(network, name, reference)
            progress(what, 1.0)
        return network

    def _corrections(self, calibration: Sequence[Tensor]) -> Iterator[tuple[str, Correction, list[Tensor]]]:
        """Each pass over the layers, and the batches it looks at."""
        few = _first(calibration, self.rows)
        if self.weights is not None:
            yield "calibrating weights", self.weights, _first(calibration, self.weights.rows)
        if self.bias:
            yield "calibrating biases", Bias(self.bias), few
        if self.potential:
            yield "calibrating potentials", Potential(), few


def _first(batches: Sequence[Tensor], rows: int) -> list[Tensor]:
    """The first rows of all batches together, or all where there are fewer."""
    taken = []
    for batch in batches:
        if rows > 0:
            taken.append(batch[:rows])
        rows -= len(batch)
    return taken
