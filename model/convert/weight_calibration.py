"""Weights calibration of SNN Calibration (Li et al., ICML 2021, section 4.4): a layer learns to give with its
spikes what the ANN's layer gives, on inputs as they come from the layers that spike before it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from model.convert.corrections import Reference
from model.convert.flow import flows
from model.convert.graph import INPUT, Graph, Node
from model.convert.network import SpikingNetwork
from model.convert.neuron import IF
from model.convert.ops import PARAMETRIC
from model.convert.simulate import mean_values
from model.errors import BadSetting


@dataclass(frozen=True, slots=True)
class Weights:
    """Retrains the weights before a layer of neurons; a `Correction`.

    What the neurons give after T steps is taken as clip(floor(T z / theta), 0, T) theta / T of their mean
    current z, and the floor as the identity where the gradient goes back (straight through). The loss is the
    squared distance to the ANN's activation, a sum over channels, a mean over rows and positions.

    Attributes:
        iterations: of Adam, whose rate falls to zero along a cosine.
        rate: at first.
        batch: rows of each iteration.
        rows: of calibration data to learn from.
        seed: of the order of rows.
        extra: whether z holds what neurons add to their current, the shift. The published code leaves it out:
            weights then learn to make up for a floor that the shift turns into rounding, and raise means
            twice.
    """

    iterations: int = 5000
    rate: float = 4e-5
    batch: int = 32
    rows: int = 1024
    seed: int = 0
    extra: bool = True

    def __post_init__(self) -> None:
        counts = (self.iterations, self.batch, self.rows)
        if min(counts) < 1 or not self.rate > 0:
            raise BadSetting(
                f"iterations, batch and rows are {counts}, rate is {self.rate}; give at least 1 of each, and "
                "a rate above 0"
            )

    def correct(self, network: SpikingNetwork, name: str, reference: Reference) -> None:
        """See `Correction`."""
        edges, layers = stretch(network.graph, name)
        weights = [cast(nn.Parameter, layer.op.weight) for layer in layers]
        if not weights:
            return
        inputs = _means(network, edges, reference)
        with torch.no_grad():
            wanted = torch.cat([reference.ann.run({INPUT: b}, [name])[name] for b in reference.batches])
        node, neuron = network.graph.node(name), network.neurons[name]
        before = node.sources[0]

        def loss(rows: Tensor) -> Tensor:
            known = {edge: values[rows] for edge, values in inputs.items()}
            current = network.graph.run(known, [before])[before]
            current = current + neuron.extra if self.extra else current
            given = _straight_through(neuron, node.op, current, reference.steps)
            return (given - wanted[rows]).square().sum(1).mean()

        for weight in weights:
            weight.requires_grad_(True)
        self._learn(weights, loss, len(wanted))
        for weight in weights:
            weight.requires_grad_(False).grad = None

    def _learn(self, weights: list[nn.Parameter], loss: Callable[[Tensor], Tensor], rows: int) -> None:
        optimizer = torch.optim.Adam(weights, lr=self.rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.iterations)
        with torch.enable_grad():
            for chosen in itertools.islice(self._batches(rows), self.iterations):
                optimizer.zero_grad()
                loss(chosen).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()

    def _batches(self, rows: int) -> Iterator[Tensor]:
        """Places of rows, each once before any comes again."""
        generator = torch.Generator().manual_seed(self.seed)
        while True:
            yield from torch.split(torch.randperm(rows, generator=generator), self.batch)


def stretch(graph: Graph, name: str) -> tuple[frozenset[str], tuple[Node, ...]]:
    """What lies right before a layer of neurons.

    Returns:
        Names of the values that its current is linear in: spikes, what a max pool passes on, the input. And
        the layers with weights between those and the neurons which nothing else reads: the last convolution
        of a residual branch, and that of its shortcut where there is one.
    """
    between: list[Node] = []
    edges, wanted, private = set[str](), set(graph.node(name).sources), {name}
    for node in reversed(graph.nodes):
        if node.name not in wanted:
            continue
        if node.kind in ("activation", "max_pool"):
            edges.add(node.name)
            continue
        between.append(node)
        wanted.update(node.sources)
        if node.name not in graph.outputs and {r.name for r in graph.readers(node.name)} <= private:
            private.add(node.name)
    edges |= wanted & {INPUT}
    return frozenset(edges), tuple(n for n in between if n.name in private and isinstance(n.op, PARAMETRIC))


@torch.no_grad()
def _means(network: SpikingNetwork, names: frozenset[str], reference: Reference) -> dict[str, Tensor]:
    """Mean over T steps of what nodes give for all calibration data, (rows, ...) by name."""
    given = flows(network.graph, "static")
    static = [name for name in names if given[name] == "static"]
    moving = [name for name in names if given[name] != "static"]
    found: dict[str, list[Tensor]] = {name: [] for name in names}
    for batch in reference.batches:
        values = network.graph.run({INPUT: batch}, static)
        if moving:
            values |= mean_values(network, batch, reference.steps, moving)
        for name in names:
            found[name].append(values[name])
    return {name: torch.cat(parts) for name, parts in found.items()}


def _straight_through(neuron: IF, activation: nn.Module, current: Tensor, steps: int) -> Tensor:
    """What neurons say of a constant current in T steps, the identity for the gradient of the floor."""
    spikes = (activation(current) * (steps / neuron.threshold)).clamp(-steps, steps)
    whole: Tensor = spikes + (spikes.trunc() - spikes).detach()
    return whole * (neuron.threshold / steps)
