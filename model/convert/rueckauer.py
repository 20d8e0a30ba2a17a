"""Data-based and robust normalisation: Rueckauer et al., "Conversion of continuous-valued deep networks to
efficient event-driven networks for image classification", Frontiers in Neuroscience 11:682, 2017.

Each layer's threshold is a high percentile of its activations over the calibration data; activations above it
are cut off, those below lose the least to rounding. The maximum (percentile 100) is the data-based
normalisation of Diehl et al. 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from torch import Tensor

from model.convert.flow import flows
from model.convert.graph import INPUT, Graph
from model.convert.method import Progress
from model.convert.network import SpikingNetwork, SpikingSettings
from model.convert.ops import Activation
from model.convert.ranges import percentiles
from model.convert.scales import spike_scales, with_normalized_weights
from model.errors import BadSetting

Form = Literal["thresholds", "weights"]


@dataclass(frozen=True, slots=True)
class Rueckauer:
    """Settings of the method; a `Method`.

    Attributes:
        percentile: of activations that are not zero; the paper recommends 99 to 99.999, 100 is the maximum.
        channel_wise: a threshold a channel (Spiking-YOLO, arXiv 1903.06530) in place of one a layer.
        initial: V(0) as a share of the threshold, 0 as published; 0.5 turns the floor of rates into rounding.
        form: "thresholds" leaves the weights as they are; "weights" scales them so that all thresholds are 1,
            as published. Both give the same spikes.
        spiking: what layers do.
    """

    percentile: float = 99.9
    channel_wise: bool = False
    initial: float = 0.0
    form: Form = "thresholds"
    spiking: SpikingSettings = field(default_factory=SpikingSettings)

    def __post_init__(self) -> None:
        if not 0 < self.percentile <= 100:
            raise BadSetting(f"percentile is {self.percentile}; give a number above 0, at most 100")
        if not 0 <= self.initial < 1:
            raise BadSetting(f"initial is {self.initial}; give a share of the threshold, 0 or more, below 1")
        if self.form not in get_args(Form):
            raise BadSetting(f"form is {self.form!r}; it may be {', '.join(get_args(Form))}")

    @property
    def name(self) -> str:
        """Of the method."""
        return "rueckauer"

    def convert(self, graph: Graph, calibration: Sequence[Tensor], progress: Progress) -> SpikingNetwork:
        """See `Method`."""
        network = SpikingNetwork(graph, self.spiking)
        sample = tuple(calibration[0].shape[1:])
        for name, threshold in self.thresholds(network, calibration, progress).items():
            neuron = network.neurons[name]
            neuron.threshold = threshold
            neuron.initial = self.initial * threshold
        return with_normalized_weights(network, sample) if self.form == "weights" else network

    def thresholds(
        self, network: SpikingNetwork, calibration: Sequence[Tensor], progress: Progress
    ) -> dict[str, Tensor]:
        """Of each layer of neurons by name, () or (C, 1, 1).

        Output neurons take the percentile of their layer's values, negative ones too. The neurons of a pool
        over spikes have no factor of their own, but that of the spikes that come in.
        """
        graph = network.graph
        measured = {name: at for name in network.neurons if (at := self._measured_at(graph, name))}
        found = percentiles(
            graph,
            calibration,
            set(measured.values()),
            self.percentile,
            progress,
            channel_wise=self.channel_wise,
        )
        known = {name: _capped(graph, name, found[at]) for name, at in measured.items()}
        passed_on = spike_scales(graph, known, tuple(calibration[0].shape[1:]))
        return {name: known.get(name, passed_on[name].squeeze(0)) for name in network.neurons}

    def _measured_at(self, graph: Graph, name: str) -> str:
        """The node whose values are measured for a layer of neurons; "" for those of a pool over spikes."""
        source = graph.node(name).sources[0]
        if name in graph.outputs and self.spiking.readout == "spikes":
            return source
        over_spikes = flows(graph, "static")[source] == "spikes"
        pooled = source != INPUT and graph.node(source).kind == "average_pool"
        return "" if pooled and over_spikes else name


def _capped(graph: Graph, name: str, threshold: Tensor) -> Tensor:
    """No higher than the activation gets: the 6 of a ReLU6."""
    op = graph.node(name).op
    cap = op.cap if isinstance(op, Activation) else None
    return threshold if cap is None else threshold.clamp(max=cap)
