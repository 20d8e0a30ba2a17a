"""`Network`: a layout built, run over a window for training or step by step with its membranes as a value."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.blocks import (
    ConcatBlock,
    ConcatMembraneBlock,
    ConvSilu,
    MembraneBlock,
    SpikingBlock,
    Stem,
    WideBlock,
)
from model.head import Head
from model.layout import Layout
from model.neurons import Fire, Neuron
from model.plan import INPUT, Node, plan

GRID = (192, 256)  # height, width of the shipped network's input, for the head's first biases

_BLOCKS: dict[str, Callable[[Layout, int, int, int, int], nn.Module]] = {
    "Conv": ConvSilu,
    "Conv_1": lambda _, *sizes: Stem(*sizes),
    "Conv_2": lambda _, *sizes: Stem(*sizes),
    "BasicBlock_1": WideBlock,
    "BasicBlock_2": SpikingBlock,
    "BasicBlock_ms": MembraneBlock,
    "ConcatBlock_ms": ConcatMembraneBlock,
    "Concat_res2": ConcatBlock,
}


class Chain(nn.ModuleList):
    """A row's blocks, one after the other."""

    def forward(self, x: Tensor, fire: Fire) -> Tensor:
        for block in self:
            x = block(x, fire)
        return x


class Network(nn.Module):
    """A spiking detector.

    Attributes:
        layout: what it was built from.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.nodes = plan(layout)
        self.rows = nn.ModuleList(_row(layout, node) for node in self.nodes[:-1])
        self.detect = Head(layout, self.nodes[-1].in_channels)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Raw maps of a window from the zero state; differentiable by the rectangular surrogate.

        Shape: x (T, B, C, H, W), float, encoded, H and W multiples of 32; one map a level, stride 16 first,
            (B, A, ny, nx, 5 + classes).
        """
        steps = x.shape[0]

        def fire(neuron: Neuron, current: Tensor) -> Tensor:
            return neuron.window(current, steps)

        features = self._features(x.flatten(0, 1), fire)
        return self.head(tuple(f.view(steps, -1, *f.shape[1:]).mean(0) for f in features))

    def head(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Mean head inputs (B, C_l, ny, nx) a level to raw maps (B, A, ny, nx, 5 + classes)."""
        return cast("tuple[Tensor, ...]", self.detect(features))

    def _features(self, x: Tensor, fire: Fire) -> tuple[Tensor, ...]:
        """Run all rows; the rows that Detect reads."""
        done: list[Tensor] = []
        for node, row in zip(self.nodes, self.rows, strict=False):
            inputs = [x if source == INPUT else done[source] for source in node.sources]
            done.append(_run(node, row, inputs, fire))
        return tuple(done[source] for source in self.nodes[-1].sources)


def build(layout: Layout, *, height: int = GRID[0], width: int = GRID[1]) -> Network:
    """A new network; the head's biases start from the prior of a `height` x `width` px image.

    Raises:
        BadLayout: the rows cannot be built.
    """
    network = Network(layout)
    network.detect.start_bias(height, width)
    return network


def _row(layout: Layout, node: Node) -> nn.Module:
    if node.kind not in _BLOCKS:
        return nn.Identity()
    widths = [node.in_channels[0], *[node.out_channels] * node.repeat]
    make = _BLOCKS[node.kind]
    return Chain(make(layout, a, b, node.kernel, node.stride) for a, b in pairwise(widths))


def _run(node: Node, row: nn.Module, inputs: list[Tensor], fire: Fire) -> Tensor:
    if node.kind == "Concat":
        return torch.cat(inputs, dim=1)
    if node.kind == "Sample":
        return F.interpolate(inputs[0], scale_factor=2.0, mode="nearest")
    return cast(Tensor, row(inputs[0], fire))
