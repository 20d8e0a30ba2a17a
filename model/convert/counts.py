"""`count_domain`: a converted network evaluated in counts of spikes, layer by layer, without time.

This is how ECC's published tool evaluates (arXiv 2103.00944): a neuron that gets the mean current z over T
steps is taken to spike clip(floor((T z + V(0)) / theta), 0, T) times. That is exact for a constant current.
Behind the first layer currents are not, and neurons spike for what later steps take back, so a network that
runs step by step (`simulate.simulate`) does worse, by much where T is small. Figures from here are for
comparison with published ones; what a service would serve is measured step by step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from model.convert.activity import Activity, Meter
from model.convert.graph import INPUT, Node, plain
from model.convert.inputs import Analog, EventStream
from model.convert.network import SpikingNetwork
from model.convert.neuron import IF, TIE
from model.errors import BadCalibration, BadSetting


@dataclass(frozen=True, slots=True, eq=False)
class CountReading:
    """What counts of spikes say; no `simulate.Reading`, which is of steps that ran.

    Attributes:
        outputs: as the ANN returns them, always as a tuple.
        counts: spikes of each neuron in T steps, (B, C, H, W) by layer; negative ones of signed neurons below
            zero.
        activity: what they cost.
    """

    outputs: tuple[Tensor, ...]
    counts: Mapping[str, Tensor]
    activity: Activity


@torch.no_grad()
def count_domain(
    network: SpikingNetwork, x: Tensor, steps: int, *, input_peak: float | None = 1.0, rounded: bool = True
) -> CountReading:
    """Evaluate a network in counts.

    Args:
        network: converted, with reset by subtraction and neurons behind its average pools
            (`ecc.PUBLISHED`).
        x: inputs as the ANN takes them, (B, ...).
        steps: T, at least 1.
        input_peak: the input value that is T spikes; inputs become whole numbers of spikes, floor(x T /
            peak), at most T. None leaves them as they are, a constant current.
        rounded: False keeps fractions of spikes and leaves V(0) out, the published tool's check of all
            else: it must give what the ANN gives wherever no activation is above its threshold.

    Raises:
        BadSetting: `steps` is below 1, `input_peak` not above 0, or the network's settings have no counts.
        BadCalibration: an input is negative where inputs are spikes, or not of the network's shape.
    """
    _check(network, steps, input_peak)
    code = Analog() if input_peak is None else EventStream()
    counting = _Counting(network, steps, rounded, Meter(network, tuple(x.shape[1:]), code))
    if input_peak is not None:
        spikes = _input_spikes(x, steps, input_peak, rounded=rounded)
        counting.note(INPUT, spikes)
        x = spikes * (input_peak / steps)
    graph = network.graph
    values = graph.run({INPUT: x}, graph.outputs, counting.apply)
    outputs = tuple(values[name] for name in graph.outputs)
    return CountReading(outputs, counting.counts, counting.meter.activity(steps))


def counted(unit: IF, current: Tensor, steps: int, *, rounded: bool = True) -> Tensor:
    """Spikes of neurons in T steps of a constant current, (B, ...); negative ones of signed neurons below 0.

    Args:
        unit: the neurons, with reset by subtraction.
        current: of each step, (B, ...).
        steps: T.
        rounded: see `count_domain`.
    """
    charge = steps * (current + unit.extra)
    slope = unit.settings.slope
    if not rounded:
        spikes = charge / unit.threshold
        return torch.where(spikes < 0, slope * spikes, spikes).clamp(-steps, steps)
    held = (charge + unit.initial) / unit.threshold
    tie = TIE * torch.finfo(held.dtype).eps
    return (held + tie).floor().clamp(0, steps) - (tie - slope * held).floor().clamp(0, steps)


class _Counting:
    """Puts counts in place of neurons, and takes note of how many spikes cross synapses."""

    def __init__(self, network: SpikingNetwork, steps: int, rounded: bool, meter: Meter) -> None:
        self.neurons, self.steps, self.rounded, self.meter = network.neurons, steps, rounded, meter
        self.counts: dict[str, Tensor] = {}
        self.events: dict[str, Tensor] = {}

    def apply(self, node: Node, inputs: tuple[Tensor, ...]) -> Tensor:
        """See `graph.Apply`."""
        unit = self.neurons.get(node.name)
        if unit is None:
            self._pass_on(node)
            return plain(node, inputs)
        spikes = self.counts[node.name] = counted(unit, inputs[0], self.steps, rounded=self.rounded)
        self.note(node.name, spikes.abs())
        return spikes * (unit.threshold / self.steps)

    def note(self, name: str, events: Tensor) -> None:
        self.events[name] = events
        self.meter.add(name, events)

    def _pass_on(self, node: Node) -> None:
        """Events of what moves or gathers spikes: at most one a step."""
        known = all(source in self.events for source in node.sources)
        if known and node.kind in ("route", "add", "max_pool"):
            events: Tensor = node.op(*(self.events[source] for source in node.sources))
            self.note(node.name, events.clamp(max=self.steps))


def _input_spikes(x: Tensor, steps: int, peak: float, *, rounded: bool) -> Tensor:
    """Spikes that stand for each input, (B, ...)."""
    if bool((x < 0).any()):
        raise BadCalibration(
            f"the lowest input is {x.min().item():g}; inputs that become spikes are 0 or more; give "
            "input_peak=None for a constant current"
        )
    spikes = x * (steps / peak)
    return spikes.floor().clamp(max=steps) if rounded else spikes


def _check(network: SpikingNetwork, steps: int, input_peak: float | None) -> None:
    if steps < 1:
        raise BadSetting(f"steps is {steps}; give at least 1")
    if input_peak is not None and not input_peak > 0:
        raise BadSetting(f"input_peak is {input_peak}; give a number above 0, or None")
    settings = network.settings
    pools = bool(network.graph.of_kind("average_pool")) and settings.average_pool != "spiking"
    if settings.reset != "subtract" or settings.readout == "softmax" or pools:
        raise BadSetting(
            f"counts of spikes are not defined for {settings}; convert with reset='subtract', "
            "average_pool='spiking' and readout 'spikes' or 'membrane'"
        )
