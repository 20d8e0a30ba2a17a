"""`Activity`: spikes, synaptic operations, multiplications and neuron updates of a simulation, by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from model.convert.fanout import fan_out, macs
from model.convert.flow import Flow, flows, readout_nodes
from model.convert.graph import INPUT
from model.convert.inputs import InputCode
from model.convert.network import SpikingNetwork
from model.energy import energy_mj


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """What `steps` steps cost.

    An event is a value that is not zero where only spikes come from: a spike, or what a pool or sum made of
        several.
    It costs one operation for each synapse behind it, whatever its amplitude: those of a layer with weights,
    and one for each window of a pool or each sum that gathers it. What reads real values costs
    multiplications instead: once where they are the same in every step, or belong to the read-out; else every
        step.

    Attributes:
        steps: T.
        spikes: (B,) float64 a layer of neurons, by name.
        synops: (B,) float64 an operation that spikes enter, by name.
        macs: of one row, an operation that real values enter, by name.
        neurons: of each layer.
    """

    steps: int
    spikes: Mapping[str, Tensor]
    synops: Mapping[str, Tensor]
    macs: Mapping[str, int]
    neurons: Mapping[str, int]

    @property
    def total_spikes(self) -> Tensor:
        """(B,) float64, of all layers of neurons."""
        return _total(self.spikes)

    @property
    def total_synops(self) -> Tensor:
        """(B,) float64."""
        return _total(self.synops)

    @property
    def total_macs(self) -> int:
        """Of one row."""
        return sum(self.macs.values())

    @property
    def updates(self) -> int:
        """Membranes updated, of one row, all steps together."""
        return self.steps * sum(self.neurons.values())

    @property
    def rates(self) -> Mapping[str, Tensor]:
        """(B,) spikes per neuron and step, by layer."""
        return {name: n / (self.neurons[name] * self.steps) for name, n in self.spikes.items()}

    @property
    def energy_mj(self) -> Tensor:
        """(B,) millijoule: 0.9 pJ a synaptic operation, 4.6 pJ a multiplication (`model.energy`)."""
        macs = torch.full_like(self.total_synops, self.total_macs)
        return torch.from_numpy(energy_mj(self.total_synops.numpy(), macs.numpy()))


class Meter:
    """Counts while a network runs."""

    def __init__(self, network: SpikingNetwork, sample: tuple[int, ...], code: InputCode) -> None:
        graph = network.graph
        self.code = code
        self.shapes = graph.shapes(sample)
        self.flows = flows(graph, code.flow)
        self.layers = tuple(network.neurons)
        late = {node.name for node in readout_nodes(graph)}
        self._macs: dict[str, tuple[Flow | None, int]] = {}
        # Synapses by the value that crosses them, then by the operation they belong to.
        self._synapses: dict[str, dict[str, Tensor]] = {}
        for node in graph.nodes:
            given = self.shapes[node.name]
            for source in node.sources:
                read = self.shapes[source]
                if node.name in late or self.flows[source] != "spikes":
                    self._macs[node.name] = (
                        None if node.name in late else self.flows[source],
                        macs(node, read, given),
                    )
                elif (synapses := fan_out(node, read, given)) is not None:
                    self._synapses.setdefault(source, {})[node.name] = _even(synapses)
        self._spikes: dict[str, Tensor] = {}
        self._synops: dict[str, Tensor] = {}

    @torch.no_grad()
    def __call__(self, name: str, value: Tensor) -> None:
        """Take note of what a node gave in one step."""
        if self._asks(name):
            self.add(name, self.code.events(value) if name == INPUT else (value != 0).to(value))

    @torch.no_grad()
    def add(self, name: str, events: Tensor) -> None:
        """Take note of so many events at each position of what a node gave. Shape: (B, ...)."""
        if not self._asks(name):
            return
        by_position = events.sum(1, keepdim=True).double()
        if name in self.layers:
            _gather(self._spikes, name, by_position.flatten(1).sum(1))
        for reader, synapses in self._synapses.get(name, {}).items():
            of = by_position if len(synapses) == 1 else events.double()
            _gather(self._synops, reader, (of * synapses.to(of.device)).flatten(1).sum(1))

    def activity(self, steps: int) -> Activity:
        """What was counted so far, after so many steps."""
        times: Mapping[Flow | None, int] = {"static": 1, None: 1, "current": steps}
        neurons = {name: _product(self.shapes[name]) for name in self.layers}
        counted = {name: times[flow] * n for name, (flow, n) in self._macs.items() if n}
        copies = ({k: v.cpu().clone() for k, v in d.items()} for d in (self._spikes, self._synops))
        spikes, synops = copies
        return Activity(steps, spikes, synops, counted, neurons)

    def _asks(self, name: str) -> bool:
        return self.flows[name] == "spikes" and (name in self.layers or name in self._synapses)


def _even(synapses: Tensor) -> Tensor:
    """One channel alone where all are alike: fewer and exact sums."""
    return synapses[:1] if bool((synapses == synapses[:1]).all()) else synapses


def _gather(totals: dict[str, Tensor], name: str, found: Tensor) -> None:
    totals[name] = totals[name] + found if name in totals else found


def _total(parts: Mapping[str, Tensor]) -> Tensor:
    return torch.stack(list(parts.values())).sum(0) if parts else torch.zeros(())


def _product(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())
