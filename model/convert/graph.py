"""`Graph`: a network as an ordered list of operations, which every conversion and every count reads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor, nn

from model.convert.ops import Kind, kind_of
from model.errors import BadCalibration

INPUT = "input"
"""Name of the network's input among the sources of nodes."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation.

    Attributes:
        name: dotted name of its module in the network; where a function or a second call of one module made
            it, a name of its own behind that of the module it stands in. Unique.
        op: the operation, with its own copy of the weights.
        sources: names of the nodes it reads, or `INPUT`.
    """

    name: str
    op: nn.Module
    sources: tuple[str, ...]

    @property
    def kind(self) -> Kind:
        """What the operation is to a conversion."""
        return kind_of(self.op)


Apply: TypeAlias = Callable[[Node, tuple[Tensor, ...]], Tensor]
"""Computes one node from its inputs; lets neurons, counts or statistics stand in for an operation."""


def plain(node: Node, inputs: tuple[Tensor, ...]) -> Tensor:
    """The operation itself."""
    result: Tensor = node.op(*inputs)
    return result


class Graph(nn.Module):
    """Operations in an order in which each reads only those before it.

    As a module it is the ANN itself: moves to a device, changes its type, is copied and called.

    Attributes:
        nodes: the operations.
        outputs: names of the nodes whose values the network returns, in the order of its returned tensors.
    """

    def __init__(self, nodes: Collection[Node], outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.nodes, self.outputs = tuple(nodes), outputs
        self.ops = nn.ModuleList(node.op for node in self.nodes)
        self._shapes: dict[tuple[int, ...], dict[str, tuple[int, ...]]] = {}

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """What the ANN returns, always as a tuple. Shape: x (B, C, H, W) or (B, N)."""
        values = self.run({INPUT: x}, self.outputs)
        return tuple(values[name] for name in self.outputs)

    def run(
        self, known: Mapping[str, Tensor], wanted: Collection[str], apply: Apply = plain
    ) -> dict[str, Tensor]:
        """Values of the nodes `wanted`, from those `known`.

        Only what leads to a wanted node is computed, and nothing is kept longer than it is read.

        Args:
            known: values by name, at least those that the computed nodes need; usually {INPUT: x}.
            wanted: names of nodes.
            apply: computes a node from its inputs.
        """
        needed = self.leading_to(wanted, known)
        last_read = {source: node.name for node in needed for source in node.sources}
        values = dict(known)
        for node in needed:
            values[node.name] = apply(node, tuple(values[source] for source in node.sources))
            for source in set(node.sources):
                if last_read[source] == node.name and source not in wanted and source not in known:
                    del values[source]
        return {name: values[name] for name in wanted}

    def leading_to(self, wanted: Collection[str], known: Collection[str] = (INPUT,)) -> tuple[Node, ...]:
        """Nodes to compute, in order, for the nodes `wanted` where those `known` are at hand."""
        needed = set(wanted) - set(known)
        found: list[Node] = []
        for node in reversed(self.nodes):
            if node.name in needed:
                found.append(node)
                needed |= set(node.sources) - set(known)
        return tuple(reversed(found))

    def node(self, name: str) -> Node:
        """The node of this name. Raises KeyError: there is none."""
        return self._by_name[name]

    def readers(self, name: str) -> tuple[Node, ...]:
        """Nodes that read this one, in order."""
        return tuple(node for node in self.nodes if name in node.sources)

    def of_kind(self, *kinds: Kind) -> tuple[Node, ...]:
        """Nodes of these kinds, in order."""
        return tuple(node for node in self.nodes if node.kind in kinds)

    def shapes(self, sample: tuple[int, ...]) -> Mapping[str, tuple[int, ...]]:
        """Shape of each value without the batch, `INPUT`'s too, for an input of shape `sample`, without it
        too.

        Raises:
            BadCalibration: the network does not take inputs of this shape.
        """
        if sample not in self._shapes:
            self._shapes[sample] = self._probe(sample)
        return self._shapes[sample]

    @property
    def like(self) -> Tensor:
        """A tensor of the type and on the device of the weights."""
        return next(self.parameters(), torch.zeros(()))

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @torch.no_grad()
    def _probe(self, sample: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        found = {INPUT: sample}

        def noted(node: Node, inputs: tuple[Tensor, ...]) -> Tensor:
            try:
                value = plain(node, inputs)
            except (RuntimeError, IndexError, ValueError) as error:
                raise BadCalibration(
                    f"inputs of shape {sample} (without the batch) do not fit the network: {node.name!r} "
                    f"cannot take {[tuple(x.shape[1:]) for x in inputs]}; give inputs as it was trained on"
                ) from error
            found[node.name] = tuple(value.shape[1:])
            return value

        self.run({INPUT: self.like.new_zeros(1, *sample)}, [node.name for node in self.nodes], noted)
        return found
