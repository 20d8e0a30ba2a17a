"""`Network`: a layout built, run over a window for training or step by step with its membranes as a value."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Protocol, Self, TypeAlias, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.blocks import (
    BottleneckBlock,
    ConcatBlock,
    ConcatMembraneBlock,
    ConvNorm,
    ConvSilu,
    MembraneBlock,
    SpikingBlock,
    Stem,
    WideBlock,
)
from model.errors import BadLayout, BadState
from model.head import Head
from model.layout import Layout
from model.neurons import Fire, Neuron
from model.plan import INPUT, Node, plan
from model.sites import Site, axis_weights, sites

GRID = (192, 256)  # height, width of the shipped network's input, for the head's first biases

RATE_STRIDE = 7  # prime to usual batches, so that all steps are seen
Count = TypeVar("Count", float, Tensor)

_BLOCKS: dict[str, Callable[[Layout, int, int, int, int], nn.Module]] = {
    "Conv": ConvSilu,
    "Conv_1": lambda _, *sizes: Stem(*sizes),
    "Conv_2": lambda _, *sizes: Stem(*sizes),
    "BasicBlock_1": WideBlock,
    "BasicBlock_2": SpikingBlock,
    "BasicBlock_lcb": BottleneckBlock,
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


Stepped: TypeAlias = tuple[tuple[Tensor, ...], tuple[Tensor, ...], Tensor]
"""Head inputs a level, the next membranes, and the activity, as `Network.step` gives them."""


class Runnable(Protocol):
    """What engines run: a `Network`, or a converted twin (`model.convert.detector`).

    Attributes:
        layout: what it is made of.
        ticks: simulation steps in which one step is computed, its input being the same in all of them. What
            they give adds up to what the step gives: `step` is `ticks` times `tick`.
    """

    layout: Layout
    ticks: int

    def initial_state(
        self,
        batch: int,
        height: int,
        width: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> tuple[Tensor, ...]: ...

    def tick(self, x: Tensor, membranes: tuple[Tensor, ...]) -> Stepped: ...

    def step(self, x: Tensor, membranes: tuple[Tensor, ...]) -> Stepped: ...

    def window(self, x: Tensor) -> Stepped: ...

    def head(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]: ...

    def fused(self) -> Self: ...

    def to(self, device: torch.device) -> Self: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...


class Network(nn.Module):
    """A spiking detector.

    Attributes:
        layout: what it was built from.
    """

    ticks = 1
    """Simulation steps in which a step is computed; see `Runnable`."""

    def __init__(self, layout: Layout) -> None:
        """Raises BadLayout: the rows cannot be built, or the neurons are those of a converted twin."""
        super().__init__()
        if layout.activation == "if":
            raise BadLayout(
                f"the layout {layout.name!r} is of a converted twin (activation 'if'), whose thresholds no "
                "layout knows; load its weights and card, or build the twin (activation 'relu')"
            )
        self.layout = layout
        self.nodes = plan(layout)
        self.rows = nn.ModuleList(_row(layout, node) for node in self.nodes[:-1])
        self.detect = Head(layout, self.nodes[-1].in_channels)

    def forward(self, x: Tensor, rates: list[Tensor] | None = None) -> tuple[Tensor, ...]:
        """Raw maps of a window from the zero state; differentiable by the surrogate.

        Shape: x (T, B, C, H, W), float, encoded, H and W multiples of 32; one map a level, stride 16 first,
            (B, A, ny, nx, 5 + classes).

        Args:
            x: the window.
            rates: where given, the firing rate of each layer of spiking neurons is appended, differentiable,
                in the order of `sites`; taken from every seventh picture of the batch, which is far cheaper.
        """
        steps = x.shape[0]

        def fire(neuron: Neuron, current: Tensor) -> Tensor:
            output = neuron.window(current, steps)
            if rates is not None and neuron.spiking:
                rates.append(output[::RATE_STRIDE].mean())
            return output

        features = self._features(x.flatten(0, 1), fire)
        decay = self.layout.readout_decay
        weight = readout_weight(decay, steps)
        return self.head(tuple(_readout(f, steps, decay) / weight for f in features))

    def initial_state(
        self,
        batch: int,
        height: int,
        width: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> tuple[Tensor, ...]:
        """Membranes at rest, in the order the neurons fire. Shape: (batch, C, h, w) each, zeros.

        Raises:
            BadSetting: height or width is not a positive multiple of 32.
        """
        layers = sites(self.layout, height, width).neurons
        return tuple(torch.zeros((batch, *site.shape), device=device, dtype=dtype) for site in layers)

    def step(self, x: Tensor, membranes: tuple[Tensor, ...]) -> Stepped:
        """One time step; traceable, with any batch size.

        Shape: x (B, C, H, W), float, encoded; membranes as `initial_state` gives them.

        Returns:
            Head inputs per level (B, C_l, ny, nx), the next membranes, and the activity (B, L, 2) of the L
            layers of spiking neurons: their spikes, and the synaptic operations these cause by fan-out.
            Where the input counts events, these come last, as one more layer.

        Raises:
            BadState: the membranes are those of another network or size.
        """
        places = sites(self.layout, x.shape[-2], x.shape[-1])
        layers = places.neurons
        _check_membranes(membranes, layers)
        after: list[Tensor] = []
        activity: list[Tensor] = []

        def fire(neuron: Neuron, current: Tensor) -> Tensor:
            if not neuron.stateful:
                return neuron.step(current, current)[0]
            site = layers[len(after)]
            output, membrane = neuron.step(current, membranes[len(after)])
            after.append(membrane)
            if site.spiking:
                activity.append(activity_of(output, site))
            return output

        features = self._features(x, fire)
        if places.input:
            activity.append(activity_of(x, places.input))
        counts = torch.stack(activity, dim=1) if activity else x.new_zeros(x.shape[0], 0, 2)
        return features, tuple(after), counts

    def tick(self, x: Tensor, membranes: tuple[Tensor, ...]) -> Stepped:
        """The one simulation step of a step: `step`."""
        return self.step(x, membranes)

    def window(self, x: Tensor) -> Stepped:
        """As `step` T times from the zero state, with the convolutions of all steps at once.

        Shape: x (T, B, C, H, W), float, encoded.

        Returns:
            Head inputs per level, summed over time with the weights of the readout, (B, C_l, ny, nx); the
            membranes after the last step; the activity (B, L, 2), summed over time.
        """
        steps, batch = x.shape[:2]
        places = sites(self.layout, x.shape[-2], x.shape[-1])
        layers = places.neurons
        after: list[Tensor] = []
        activity: list[Tensor] = []

        def fire(neuron: Neuron, current: Tensor) -> Tensor:
            if not neuron.stateful:
                return neuron.window(current, steps)
            site = layers[len(after)]
            output, membrane = _fire_steps(neuron, current, steps)
            after.append(membrane)
            if site.spiking:
                activity.append(activity_of(output, site).view(steps, batch, 2).sum(0))
            return output

        features = self._features(x.flatten(0, 1), fire)
        if places.input:
            activity.append(activity_of(x.flatten(0, 1), places.input).view(steps, batch, 2).sum(0))
        counts = torch.stack(activity, dim=1) if activity else x.new_zeros(batch, 0, 2)
        decay = self.layout.readout_decay
        return tuple(_readout(f, steps, decay) for f in features), tuple(after), counts

    def fused(self) -> Self:
        """A copy for inference with every tdBN folded into its convolution."""
        network = copy.deepcopy(self).eval()
        for module in network.modules():
            if isinstance(module, ConvNorm):
                module.fuse()
        return network

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


def readout_weight(decay: float, steps: Count) -> Count:
    """Sum of the weights of `steps` steps in the head's mean: 1 for the last, `decay` for that before it."""
    return steps if decay == 1 else (1 - decay**steps) / (1 - decay)


def build(layout: Layout, *, height: int = GRID[0], width: int = GRID[1]) -> Network:
    """A new network; the head's biases start from the prior of a `height` x `width` px image.

    Raises:
        BadLayout: the rows cannot be built.
    """
    network = Network(layout)
    network.detect.start_bias(height, width)
    return network


def _check_membranes(membranes: tuple[Tensor, ...], layers: tuple[Site, ...]) -> None:
    found = [tuple(m.shape[1:]) for m in membranes]
    allowed = [site.shape for site in layers]
    if found != allowed:
        raise BadState(
            f"the state holds membranes of shapes {found}, this network on this grid has {allowed}; "
            "start from `initial_state`"
        )


def _readout(features: Tensor, steps: int, decay: float) -> Tensor:
    """Weighted sum over time. Shape: (steps * B, C, ny, nx) to (B, C, ny, nx)."""
    by_step = features.view(steps, -1, *features.shape[1:])
    if decay == 1:
        return by_step.sum(0)
    weights = torch.tensor([decay ** (steps - 1 - t) for t in range(steps)]).to(by_step)
    return (weights.view(-1, 1, 1, 1, 1) * by_step).sum(0)


def _fire_steps(neuron: Neuron, current: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Outputs (steps * B, C, H, W) and last membrane (B, C, H, W) of a window from the zero state."""
    outputs: list[Tensor] = []
    currents = current.view(steps, -1, *current.shape[1:])
    membrane = torch.zeros_like(currents[0])
    for now in currents:
        output, membrane = neuron.step(now, membrane)
        outputs.append(output)
    return torch.cat(outputs), membrane


def activity_of(spikes: Tensor, site: Site) -> Tensor:
    """Spikes of one layer and the synaptic operations they cause. Shape: (B, C, H, W) to (B, 2)."""
    rows, cols = (spikes.new_tensor(weights) for weights in axis_weights(site))
    counts = ((spikes.sum(1) @ cols.T) * rows.T).sum(1)  # (B, 1 + targets)
    return torch.stack((counts[:, 0], counts[:, 1:].sum(1)), dim=1)


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
