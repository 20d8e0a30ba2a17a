"""`simplified`: what a trace found, norms folded into the layers before them, what does nothing gone."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TypeAlias, cast

import torch
from torch import Tensor, nn

from model.convert.graph import Graph, Node
from model.convert.ops import PARAMETRIC, TRANSPOSED, Activation, Scale, kind_of
from model.convert.rules import NORMS, refused

Parts: TypeAlias = tuple[list[Node], tuple[str, ...]]
"""Nodes in order, and the names of the outputs."""


def simplified(nodes: list[Node], outputs: tuple[str, ...]) -> Graph:
    """The graph of a trace.

    Each norm folds into the convolution or linear layer before it, where nothing else reads that layer; any
    other becomes one weight and one bias a channel. A ReLU right after a max pool goes before it, which gives
    the same, so that the pool sees spikes. What no output depends on is dropped.

    Raises:
        NotConvertible: softmax or sigmoid anywhere but at the end.
    """
    parts = _without_identities((nodes, outputs))
    parts = _with_norms_folded(parts)
    parts = _with_activations_first(parts)
    graph = Graph(*parts)
    graph = Graph(graph.leading_to(graph.outputs), graph.outputs)
    _check_decoding(graph)
    return graph


def fold(layer: nn.Module, norm: nn.Module) -> nn.Module:
    """A copy of the layer that gives what layer and norm give one after the other, in evaluation mode.

    W' = W * gamma / sqrt(var + eps), b' = beta + (b - mean) * gamma / sqrt(var + eps), with the norm's own
    eps (leaving it out is the error that ECC's consistency maintenance corrects, arXiv 2103.00944).
    """
    scale, shift = _affine(norm)
    folded = _with_bias(layer)
    weight, bias = cast(Tensor, folded.weight).double(), cast(Tensor, folded.bias).double()
    # Output channels come second in transposed convolutions, and there within each group.
    if isinstance(layer, TRANSPOSED):
        groups = layer.groups
        by_group = scale.view(groups, 1, -1, *(1,) * (weight.dim() - 2))
        weight = (weight.view(groups, -1, *weight.shape[1:]) * by_group).flatten(0, 1)
    else:
        weight = weight * scale.view(-1, *(1,) * (weight.dim() - 1))
    folded.weight = nn.Parameter(weight.to(cast(Tensor, layer.weight)), requires_grad=False)
    folded.bias = nn.Parameter((bias * scale + shift).to(cast(Tensor, layer.weight)), requires_grad=False)
    return folded


def _affine(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Scale and shift of a norm with its running statistics, one a channel, float64."""
    mean, variance = cast(Tensor, norm.running_mean).double(), cast(Tensor, norm.running_var).double()
    scale = torch.rsqrt(variance + cast(float, norm.eps))
    if norm.weight is not None:
        scale = scale * cast(Tensor, norm.weight).double()
    shift = -mean * scale
    return scale, shift if norm.bias is None else shift + cast(Tensor, norm.bias).double()


def _with_bias(layer: nn.Module) -> nn.Module:
    """A copy that has a bias, zero if there was none."""
    new = copy.deepcopy(layer)
    weight = cast(Tensor, layer.weight)
    if cast("Tensor | None", new.bias) is None:
        channels = layer.out_channels if isinstance(layer, TRANSPOSED) else len(weight)
        new.bias = nn.Parameter(weight.new_zeros(channels), requires_grad=False)
    return new


def _without_identities(parts: Parts) -> Parts:
    while (node := _first(parts, nn.Identity)) is not None:
        rest = [other for other in parts[0] if other is not node]
        parts = _renamed((rest, parts[1]), node.name, node.sources[0])
    return parts


def _with_norms_folded(parts: Parts) -> Parts:
    while (norm := _first(parts, *NORMS)) is not None:
        nodes, outputs = parts
        layer = next((node for node in nodes if node.name == norm.sources[0]), None)
        if layer is not None and isinstance(layer.op, PARAMETRIC) and _read_once(layer.name, parts):
            into = replace(layer, op=fold(layer.op, norm.op))
            kept = [into if node is layer else node for node in nodes if node is not norm]
            parts = _renamed((kept, outputs), norm.name, layer.name)
        else:
            like = cast(Tensor, norm.op.running_mean)
            scale, shift = (values.to(like) for values in _affine(norm.op))
            alone = replace(norm, op=Scale(scale, shift).requires_grad_(False))
            parts = [alone if node is norm else node for node in nodes], outputs
    return parts


def _with_activations_first(parts: Parts) -> Parts:
    """Max pool, then a rising function of each value, is that function, then the max pool."""
    nodes, outputs = list(parts[0]), parts[1]
    for place, node in enumerate(nodes):
        pool = next((other for other in nodes[:place] if other.name == node.sources[0]), None)
        swap = isinstance(node.op, Activation) and pool is not None and kind_of(pool.op) == "max_pool"
        if swap and pool is not None and _read_once(pool.name, (nodes, outputs)):
            before = nodes.index(pool)
            first = replace(node, sources=pool.sources)
            second = replace(pool, sources=(first.name,))
            nodes[before], nodes[place] = first, second
            nodes, outputs = _renamed((nodes, outputs), node.name, pool.name, but=second)
    return nodes, outputs


def _renamed(parts: Parts, old: str, new: str, but: Node | None = None) -> Parts:
    """Readers of `old` read `new` instead."""

    def name(source: str) -> str:
        return new if source == old else source

    nodes = [
        node
        if node is but or old not in node.sources
        else replace(node, sources=tuple(map(name, node.sources)))
        for node in parts[0]
    ]
    return nodes, tuple(map(name, parts[1]))


def _first(parts: Parts, *kinds: type[nn.Module]) -> Node | None:
    return next((node for node in parts[0] if isinstance(node.op, kinds)), None)


def _read_once(name: str, parts: Parts) -> bool:
    nodes, outputs = parts
    return sum(node.sources.count(name) for node in nodes) + outputs.count(name) == 1


def _check_decoding(graph: Graph) -> None:
    decoded = {node.name for node in graph.of_kind("decode")}
    for node in graph.nodes:
        inner = decoded.intersection(node.sources)
        if inner and node.kind not in ("decode", "route"):
            raise refused(min(inner), f"read by {node.name!r} and not at the end")
        if inner and node.kind == "route":
            decoded.add(node.name)
