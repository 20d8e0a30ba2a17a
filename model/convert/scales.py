"""`normalized`: thresholds moved into the weights, so that every neuron fires at 1 (Rueckauer 2017, section
2.2.2).

Each value v of the network becomes v / scale: W' = W * scale_in / scale_out, b' = b / scale_out. Where paths
join, what comes from a neuron has that neuron's scale and cannot be rescaled at its source, for others may
read it too: a sum scales it on its way in (the scaled identity of residual joins), a concatenation joins the
scales as well, channel by channel.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from model.convert.graph import INPUT, Graph, Node
from model.convert.network import SpikingNetwork
from model.convert.ops import TRANSPOSED, Activation
from model.convert.ops import Scale as ScaleOp
from model.errors import NotConvertible


@dataclass(frozen=True, slots=True, eq=False)
class Normalized:
    """A network in which each value is divided by a scale.

    Attributes:
        graph: gives the same outputs as the original; its other values are those divided by their scales.
        scales: by name of the original's nodes; shape (1, C, 1, 1), whatever broadcasts over a batch of
            values.
    """

    graph: Graph
    scales: Mapping[str, Tensor]


def normalized(graph: Graph, thresholds: Mapping[str, Tensor], sample: tuple[int, ...]) -> Normalized:
    """The network with each activation divided by its threshold.

    Args:
        graph: the ANN; stays as it is.
        thresholds: of each activation by name, () or (C, 1, 1).
        sample: shape of one row of input.

    Raises:
        NotConvertible: thresholds differ within one channel of an input to a convolution, because a reshape
            made channels of them; normalise by layer.
    """
    return _Normalizer(copy.deepcopy(graph), thresholds, sample).run()


def with_normalized_weights(network: SpikingNetwork, sample: tuple[int, ...]) -> SpikingNetwork:
    """The same network with every threshold 1: the same spikes, their amplitudes in the weights.

    Raises:
        NotConvertible: see `normalized`.
    """
    thresholds = {name: unit.threshold for name, unit in network.neurons.items()}
    graph = normalized(network.graph, thresholds, sample).graph
    # Pools and outputs have their neurons already.
    settings = replace(network.settings, average_pool="analog", readout="membrane")
    same = SpikingNetwork(graph, settings)
    for name, unit in network.neurons.items():
        same.neurons[name].initial = unit.initial / unit.threshold
        same.neurons[name].extra = unit.extra / unit.threshold
    return same


def spike_scales(
    graph: Graph, thresholds: Mapping[str, Tensor], sample: tuple[int, ...]
) -> dict[str, Tensor]:
    """Amplitude of spikes and of what they pass through, by name: thresholds, carried on by pools and routes.

    An activation that has no threshold takes the amplitude of what comes in. Shape: (1, C, 1, 1).
    """
    walk = _Scales(graph, thresholds, sample)
    for node in graph.nodes:
        if node.kind in ("activation", "max_pool", "average_pool", "route", "add"):
            walk.scales[node.name] = walk.passed_on(node)
    return walk.scales


class _Scales:
    """Scales of values, and how they pass through what has no weights. Nodes without one have 1."""

    def __init__(self, graph: Graph, thresholds: Mapping[str, Tensor], sample: tuple[int, ...]) -> None:
        self.graph, self.thresholds = graph, thresholds
        self.shapes = graph.shapes(sample)
        self.one = graph.like.new_ones(())
        self.scales: dict[str, Tensor] = {INPUT: self.one}

    def of(self, name: str) -> Tensor:
        return self.scales.get(name, self.one)

    def threshold(self, name: str) -> Tensor:
        """Of an activation, (1, C, 1, 1)."""
        return self.thresholds[name].expand(self._axes(name)).unsqueeze(0)

    def passed_on(self, node: Node) -> Tensor:
        match node.kind:
            case "activation":
                known = node.name in self.thresholds
                return self.threshold(node.name) if known else self.of(node.sources[0])
            case "add":
                return sum((self.of(source) for source in node.sources), self.one * 0)
            case "route":
                return self._routed(node)
        scale = self.of(node.sources[0])
        dims = len(self.shapes[node.name]) + 1
        # A pool stays within its channel, whose values have one scale.
        channels = scale.amax(tuple(range(2, scale.dim()))) if scale.dim() > 2 else scale
        return channels if scale.dim() < 2 else channels.view(1, -1, *(1,) * (dims - 2))

    def _routed(self, node: Node) -> Tensor:
        full = [self.of(source).expand(1, *self.shapes[source]) for source in node.sources]
        moved = cast(Tensor, node.op(*full))
        moved = torch.where(moved == 0, 1.0, moved)  # padding is zero in any scale
        first = moved[(slice(None), slice(None), *(slice(1),) * (moved.dim() - 2))]
        return first if bool((moved == first).all()) else moved

    def _axes(self, name: str) -> tuple[int, ...]:
        shape = self.shapes[name]
        return (shape[0], *(1,) * (len(shape) - 1))


class _Normalizer(_Scales):
    def run(self) -> Normalized:
        self.nodes: list[Node] = []
        for node in self.graph.nodes:
            self.scales[node.name] = self._place(node)
        outputs = tuple(self._scaled(name, self.one, f"{name}.unscaled") for name in self.graph.outputs)
        return Normalized(Graph(self.nodes, outputs), self.scales)

    def _place(self, node: Node) -> Tensor:
        """Append the node, normalised; the scale of what it gives."""
        match node.kind:
            case "affine":
                scale = self._wanted(node.name)
                _rescale(node, self.of(node.sources[0]), scale)
                self.nodes.append(node)
            case "add":
                scale = self._wanted(node.name)
                self._append_scaled(node, scale)
            case "activation" if isinstance(node.op, Activation):
                scale = self.threshold(node.name)
                self._append_scaled(node, scale)
                _rescale_cap(node.op, scale[0])
            case "activation" | "decode":
                scale = self.one
                self._append_scaled(node, scale)
            case _:
                scale = self.passed_on(node)
                self.nodes.append(node)
        return scale

    def _wanted(self, name: str) -> Tensor:
        """The scale that what alone reads a layer takes it at; 1 where there is no such."""
        readers = self.graph.readers(name)
        if len(readers) != 1 or name in self.graph.outputs:
            return self.one
        reader = readers[0]
        if isinstance(reader.op, Activation):
            return self.threshold(reader.name)
        if reader.kind == "add" or (reader.kind == "average_pool" and self._keeps_axes(reader)):
            return self._wanted(reader.name)
        return self.one

    def _keeps_axes(self, node: Node) -> bool:
        return len(self.shapes[node.name]) == len(self.shapes[node.sources[0]])

    def _append_scaled(self, node: Node, scale: Tensor) -> None:
        """Append the node, and before it what brings each source to `scale`."""
        sources = tuple(
            self._scaled(source, scale, f"{node.name}.from.{place}")
            for place, source in enumerate(node.sources)
        )
        self.nodes.append(replace(node, sources=sources))

    def _scaled(self, source: str, scale: Tensor, name: str) -> str:
        factor = self.of(source) / scale
        if bool((factor == 1).all()):
            return source
        weight = _by_channel(factor, name)
        op = ScaleOp(weight, torch.zeros_like(weight)).requires_grad_(False)
        self.nodes.append(Node(name, op, (source,)))
        return name


def _rescale(node: Node, scale_in: Tensor, scale_out: Tensor) -> None:
    """W' = W * scale_in / scale_out, b' = b / scale_out, in place."""
    op = node.op
    before, after = _by_channel(scale_in, node.name), _by_channel(scale_out, node.name)
    weight = cast(Tensor, op.weight)
    if isinstance(op, ScaleOp):
        scaled = weight * before / after
        bias = cast(Tensor, op.bias) / after
        op.weight, op.bias = (nn.Parameter(v, requires_grad=False) for v in (scaled, bias))
        return
    if op.bias is not None:
        op.bias = nn.Parameter(cast(Tensor, op.bias) / after, requires_grad=False)
    op.weight = nn.Parameter(_scaled_weight(op, weight, before, after), requires_grad=False)


def _scaled_weight(op: nn.Module, weight: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """The weight of a convolution or linear layer with its channels scaled, group by group."""
    groups = cast(int, getattr(op, "groups", 1))
    tail = (1,) * (weight.dim() - 2)
    transposed = isinstance(op, TRANSPOSED)
    by_group = weight.view(groups, -1, *weight.shape[1:])  # (groups, first, second, ...)
    first, second = (before, 1 / after) if transposed else (1 / after, before)
    by_group = by_group * (first.view(groups, -1, 1, *tail) if first.dim() else first)
    by_group = by_group * (second.view(groups, 1, -1, *tail) if second.dim() else second)
    return by_group.view(weight.shape)


def _rescale_cap(op: Activation, scale: Tensor) -> None:
    if op.cap is not None:
        op.cap = op.cap / scale


def _by_channel(scale: Tensor, name: str) -> Tensor:
    """(1, C, 1, 1) to (C,); a scale for all stays one number."""
    if scale.dim() < 2:
        return scale
    if scale[0, 0].numel() != 1:
        raise NotConvertible(
            f"the scales of what {name!r} reads differ within a channel, so they cannot move into its "
            "weights; normalise by layer (channel_wise=False), or keep them as thresholds (form='thresholds')"
        )
    return scale.flatten()
