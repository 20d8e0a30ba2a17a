"""`SpikingNetwork`: a graph with integrate-and-fire neurons for activations, run step by step."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, cast, get_args

import numpy as np
import torch
from torch import Tensor, nn

from model.convert.flow import flows, readout_sources
from model.convert.gates import MaxGate, MaxRule
from model.convert.graph import INPUT, Graph, Node, plain
from model.convert.neuron import IF, IFSettings, Neuron, Reset, SoftmaxNeuron
from model.convert.ops import Activation, RandomSoftmax
from model.errors import BadSetting, BadState, NotConvertible
from model.state import State

AveragePool = Literal["analog", "spiking"]
Readout = Literal["membrane", "spikes", "softmax"]
Seen: TypeAlias = Callable[[str, Tensor], None]
"""Told the name and value of each node that a step computes."""


@dataclass(frozen=True, slots=True)
class SpikingSettings:
    """How the layers of a converted network behave; thresholds are not settings, conversions find them.

    Attributes:
        reset: of all neurons.
        max_pool: see `model.convert.gates`; "count" is the published one, "rise" exact for currents too.
        average_pool: "analog" leaves average pools as arithmetic on spikes; "spiking" gives each neurons of
            its own (the published tool's behaviour), which costs a stage of rounding.
        readout: "membrane" reads V(T) / T of outputs that never fire, in the ANN's own units; "spikes" lets
            the outputs fire and reads their rates; "softmax" lets them spike at random (`SoftmaxNeuron`). The
            last two are for networks with one output of classes.
    """

    reset: Reset = "subtract"
    max_pool: MaxRule = "rise"
    average_pool: AveragePool = "analog"
    readout: Readout = "membrane"

    def __post_init__(self) -> None:
        for name, allowed in (("average_pool", AveragePool), ("readout", Readout)):
            if getattr(self, name) not in get_args(allowed):
                raise BadSetting(
                    f"{name} is {getattr(self, name)!r}; it may be {', '.join(get_args(allowed))}"
                )


class SpikingNetwork(nn.Module):
    """A converted network.

    It holds weights, thresholds and initial potentials and never a state, which goes in and comes out of
    `step`: a `model.state.State` whose membranes are those of the neurons, relative to V(0), and the counters
    of max pools, in the order of the graph; whose head sums are what the read-out adds up; zeros at rest.

    Attributes:
        graph: the operations, a copy of its own, with pool and output neurons where the settings ask for
            them.
        settings: how layers behave.
    """

    def __init__(self, graph: Graph, settings: SpikingSettings | None = None) -> None:
        """Neurons with threshold 1 in place of each activation; a conversion sets what they should be.

        Raises:
            NotConvertible: the settings ask for firing outputs, and the network has not one output of
                classes.
        """
        super().__init__()
        self.settings = settings or SpikingSettings()
        self.graph = _prepared(graph, self.settings)
        self.units = nn.ModuleList(
            _unit(node, self.settings, graph.like) for node in self.graph.nodes if _is_stateful(node)
        )
        self.stateful = tuple(node.name for node in self.graph.nodes if _is_stateful(node))
        self.summed = readout_sources(self.graph)
        self._places = {name: place for place, name in enumerate(self.stateful)}

    @property
    def neurons(self) -> Mapping[str, IF]:
        """Integrate-and-fire layers by name, in order; a conversion sets what they hold."""
        pairs = zip(self.stateful, self.units, strict=True)
        return {name: unit for name, unit in pairs if isinstance(unit, IF)}

    def initial_state(self, batch: int, sample: tuple[int, ...]) -> State:
        """The state at rest, zeros.

        Args:
            batch: rows.
            sample: shape of one row of the input, such as (C, H, W).

        Raises:
            BadCalibration: the network does not take inputs of this shape.
        """
        shapes = self.graph.shapes(sample)
        # A gate counts its inputs, a neuron has the shape of its output, which is that of its input.
        read = [self.graph.node(name).sources[0] for name in self.stateful]
        like = self.graph.like

        def zeros(names: Collection[str]) -> tuple[Tensor, ...]:
            return tuple(like.new_zeros((batch, *shapes[name])) for name in names)

        return State(zeros(read), zeros(self.summed), np.zeros(batch, np.int64))

    def constants(self, x: Tensor) -> dict[str, Tensor]:
        """Of an input that stays as it is: what the steps read of it, computed once."""
        given = flows(self.graph, "static")
        read = {s for n in self.graph.nodes if given[n.name] != "static" for s in n.sources}
        wanted = [
            name for name, flow in given.items() if flow == "static" and name in read | set(self.summed)
        ]
        return self.graph.run({INPUT: x}, wanted)

    def step(self, known: Mapping[str, Tensor], state: State, seen: Seen | None = None) -> State:
        """The state one step later.

        Args:
            known: {INPUT: the input of this step}, or what `constants` gave.
            state: as `initial_state` or the step before gave it; it stays as it is.
            seen: told of every value, for counting.

        Raises:
            BadState: the state is of another network, shape or batch.
        """
        time = int(state.steps.max(initial=0))
        values, membranes = self.advance(known, state.membranes, time, self.summed, seen)
        try:
            sums = tuple(a + values[name] for a, name in zip(state.head_sums, self.summed, strict=True))
        except (ValueError, RuntimeError) as error:
            raise BadState(f"the state does not fit: {error}; start from `initial_state`") from error
        return State(membranes, sums, state.steps + 1)

    def advance(
        self,
        known: Mapping[str, Tensor],
        membranes: tuple[Tensor, ...],
        time: int,
        wanted: Collection[str],
        seen: Seen | None = None,
    ) -> tuple[dict[str, Tensor], tuple[Tensor, ...]]:
        """Values of the nodes `wanted` in step `time`, and the next membranes of what leads to them."""
        if len(membranes) != len(self.stateful):
            raise BadState(
                f"the state holds {len(membranes)} membranes, this network has {len(self.stateful)}; start "
                "from `initial_state`"
            )
        after = list(membranes)

        def apply(node: Node, inputs: tuple[Tensor, ...]) -> Tensor:
            place = self._places.get(node.name)
            if place is None:
                value = plain(node, inputs)
            else:
                value, after[place] = self._fire(node.name, place, inputs[0], membranes[place], time)
            if seen is not None:
                seen(node.name, value)
            return value

        return self.graph.run(known, wanted, apply), tuple(after)

    def readout(self, state: State) -> tuple[Tensor, ...]:
        """What the network says: its outputs on the means over time, V(T) / T, as the ANN would return them.

        Raises:
            BadSetting: a row of the state has not made a step yet.
        """
        if not len(state.steps) or not state.steps.all():
            raise BadSetting("a state after 0 steps says nothing yet; simulate at least 1 step")
        means: dict[str, Tensor] = {}
        for name, total in zip(self.summed, state.head_sums, strict=True):
            steps = torch.from_numpy(state.steps).to(total)
            means[name] = total / steps.view(-1, *(1,) * (total.dim() - 1))
        values = self.graph.run(means, self.graph.outputs)
        return tuple(values[name] for name in self.graph.outputs)

    def _fire(
        self, name: str, place: int, current: Tensor, membrane: Tensor, time: int
    ) -> tuple[Tensor, Tensor]:
        if membrane.shape != current.shape:
            raise BadState(
                f"the membranes of {name!r} are {tuple(membrane.shape)}, its input {tuple(current.shape)}; "
                "start from `initial_state` of this batch and shape"
            )
        return cast(Neuron, self.units[place]).step(current, membrane, time)


def _is_stateful(node: Node) -> bool:
    return node.kind in ("activation", "max_pool")


def _unit(node: Node, settings: SpikingSettings, like: Tensor) -> nn.Module:
    if node.kind == "max_pool":
        return MaxGate(node.op, settings.max_pool)
    if isinstance(node.op, Activation):
        return IF(IFSettings(settings.reset, node.op.slope), like.new_ones(()))
    return SoftmaxNeuron()


def _prepared(graph: Graph, settings: SpikingSettings) -> Graph:
    graph = copy.deepcopy(graph)
    nodes, outputs = list(graph.nodes), graph.outputs
    if settings.average_pool == "spiking":
        nodes = _with_pool_neurons(graph)
    if settings.readout != "membrane":
        last = _class_output(graph)
        op = Activation() if settings.readout == "spikes" else RandomSoftmax()
        nodes = [node for node in nodes if node.kind != "decode"]
        nodes.append(Node(f"{last}.{settings.readout}", op, (last,)))
        outputs = (nodes[-1].name,)
    return Graph(nodes, outputs)


def _with_pool_neurons(graph: Graph) -> list[Node]:
    given, nodes = flows(graph, "static"), list[Node]()
    fired: dict[str, str] = {}
    for node in graph.nodes:
        nodes.append(replace(node, sources=tuple(fired.get(source, source) for source in node.sources)))
        if node.kind == "average_pool" and given[node.sources[0]] == "spikes":
            fired[node.name] = f"{node.name}.neuron"
            # What pools negative spikes sends them on at the same threshold.
            op = Activation(1.0 if _may_be_negative(graph, node) else 0.0)
            nodes.append(Node(fired[node.name], op, (node.name,)))
    return nodes


def _may_be_negative(graph: Graph, spikes: Node) -> bool:
    if isinstance(spikes.op, Activation):
        return spikes.op.slope > 0
    return any(_may_be_negative(graph, graph.node(source)) for source in spikes.sources)


def _class_output(graph: Graph) -> str:
    """The layer whose values are the one output's classes, before any softmax."""
    last = graph.outputs[0]
    while graph.node(last).kind == "decode":
        last = graph.node(last).sources[0]
    if len(graph.outputs) != 1 or graph.node(last).kind != "affine":
        raise NotConvertible(
            f"outputs that fire need a network whose one output is a layer of classes; this one returns "
            f"{', '.join(map(repr, graph.outputs))}; read its membranes (readout='membrane')"
        )
    return last
