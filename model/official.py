"""Our names and those of the published checkpoints.

Torch-free. A checkpoint names tensors `model.ROW.BLOCK.PART`; BLOCK is there only if the row repeats. Facts:
`residual_function` is neuron, conv, norm, neuron, conv, norm; `shortcut` is [pool,] [neuron,] conv, norm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from model.layout import Layout
from model.plan import Node, plan

_RESIDUAL = {"conv1": ("residual_function", 1), "conv2": ("residual_function", 4)}
_SHORTCUT_INDEX = {
    "BasicBlock_ms": 1,
    "ConcatBlock_ms": 1,
    "Concat_res2": 1,
    "BasicBlock_1": 2,
    "BasicBlock_2": 2,
}


class HasLayout(Protocol):
    """What `official_keys` needs of a network."""

    layout: Layout

    def state_dict(self) -> Mapping[str, Any]: ...


def official_keys(network: HasLayout) -> dict[str, str]:
    """Each name of the network's state dict and its key in a published checkpoint, in the network's order.

    The published state dict has one tensor more, `model.N.anchors`, which is part of our layout.
    """
    nodes = plan(network.layout)
    return {name: _key(nodes, name) for name in network.state_dict()}


def official_neurons(layout: Layout, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Each layer of neurons, by our name, and the published layers it stands for.

    Two published layers that read the same input are one here.
    """
    nodes = plan(layout)
    return {name: _neurons(nodes, name) for name in names}


def _prefix(nodes: tuple[Node, ...], row: str, block: str) -> str:
    return f"model.{row}.{block}" if nodes[int(row)].repeat > 1 else f"model.{row}"


def _key(nodes: tuple[Node, ...], name: str) -> str:
    if name.startswith("detect.convs."):
        _, _, level, leaf = name.split(".")
        return f"model.{len(nodes) - 1}.m.{level}.{leaf}"
    _, row, block, part, layer, leaf = name.split(".")
    prefix = _prefix(nodes, row, block)
    if part == "conv":
        return f"{prefix}.conv.{leaf}" if layer == "conv" else f"{prefix}.bn.bn.{leaf}"
    branch, index = _RESIDUAL.get(part, ("shortcut", _SHORTCUT_INDEX.get(nodes[int(row)].kind, 0)))
    tail = f"{index}.{leaf}" if layer == "conv" else f"{index + 1}.bn.{leaf}"
    return f"{prefix}.{branch}.{tail}"


def _neurons(nodes: tuple[Node, ...], name: str) -> tuple[str, ...]:
    _, row, block, part = name.split(".")
    node, prefix = nodes[int(row)], _prefix(nodes, row, block)
    if part == "neuron3":
        return (f"{prefix}.shortcut.1",)
    if part == "neuron2":
        return (f"{prefix}.residual_function.3",)
    first = f"{prefix}.residual_function.0"
    if node.kind.startswith("Concat"):
        return (first, f"{prefix}.shortcut.0")
    grows = node.stride == 1 and block == "0" and node.in_channels[0] != node.out_channels
    shares = grows and node.kind in ("BasicBlock_1", "BasicBlock_2")
    return (first, f"{prefix}.shortcut.1") if shares else (first,)
