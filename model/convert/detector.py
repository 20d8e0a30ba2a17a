"""`SpikingDetector`: a converted twin of our detector, run as every other network of ours is.

A step of it is `ticks` simulation steps with the same input, and what it gives is their mean, so that
engines, states, batches and streams need to know nothing of it (`model.networks.Runnable`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Self

import torch
from torch import Tensor, nn

from model.convert.graph import INPUT, Graph
from model.convert.network import SpikingNetwork
from model.errors import BadSetting, NotConvertible
from model.layout import Layout
from model.networks import Stepped, activity_of
from model.sites import sites


class SpikingDetector(nn.Module):
    """A converted twin.

    Its head never fires: it reads the mean of its input over time, V(T) / T, in ordinary arithmetic, as the
    head of a trained network does.

    Attributes:
        layout: that of the twin, with the activation "if".
        network: the conversion of the twin.
        ticks: simulation steps of one step.
        gain: what the input is multiplied by: the number of steps of a window whose counts come in one after
            the other, so that their mean is the ANN's input.
    """

    def __init__(self, layout: Layout, network: SpikingNetwork, ticks: int, gain: int = 1) -> None:
        """Put a conversion of a twin to use.

        Args:
            layout: of the twin; "relu" or "if".
            network: a conversion of `model.convert.twin.Twin`.
            ticks, gain: see the attributes.

        Raises:
            BadSetting: `ticks` or `gain` is below 1.
            NotConvertible: the network is not of this layout, or its outputs fire.
        """
        super().__init__()
        if ticks < 1 or gain < 1:
            raise BadSetting(f"ticks is {ticks} and gain {gain}; give at least 1 of each")
        if network.settings.readout != "membrane":
            raise NotConvertible(
                f"the outputs of {layout.name!r} fire (readout={network.settings.readout!r}); a detector "
                "reads real numbers: convert with readout='membrane'"
            )
        self.layout, self.ticks, self.gain = replace(layout, activation="if"), ticks, gain
        self.network = network
        self._head = tuple(f"detect.convs.{level}" for level in range(len(layout.anchors)))
        self._check_names()
        self._features = tuple(network.graph.node(name).sources[0] for name in self._head)
        self._fixed = _fixed(network.graph)

    def initial_state(
        self,
        batch: int,
        height: int,
        width: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> tuple[Tensor, ...]:
        """Membranes and pool counters at rest, zeros, in the order of the graph; see `Network`."""
        sites(self.layout, height, width)  # refuses a grid that does not fit
        state = self.network.initial_state(batch, (self.layout.in_channels, height, width))
        return tuple(m.to(device=device, dtype=dtype) for m in state.membranes)

    def tick(self, x: Tensor, membranes: tuple[Tensor, ...]) -> Stepped:
        """One simulation step of a step; `ticks` of them add up to what `step` gives. See `step`."""
        features, after, events = self._fired({INPUT: self.gain * x}, membranes)
        return self._shares(features), after, self._activity(x / self.ticks, events)

    def step(self, x: Tensor, membranes: tuple[Tensor, ...]) -> Stepped:
        """One step: `ticks` simulation steps in which the input is the same.

        Shape: x (B, C, H, W), float, encoded; membranes as `initial_state` gives them.

        Returns:
            The mean of the head's inputs over the simulation steps, per level (B, C_l, ny, nx); the next
            membranes; the activity (B, L, 2), summed over them, as `Network.step` gives it. The input's
            events, which come in once, are the last layer.

        Raises:
            BadState: the membranes are those of another network or size.
        """
        known = self.network.graph.run({INPUT: self.gain * x}, self._fixed)
        features, membranes, events = self._fired(known, membranes)
        for _ in range(self.ticks - 1):
            more, membranes, fired = self._fired(known, membranes)
            features = tuple(a + b for a, b in zip(features, more, strict=True))
            events = {name: n + fired[name] for name, n in events.items()}
        return self._shares(features), membranes, self._activity(x, events)

    def window(self, x: Tensor) -> Stepped:
        """Steps from the zero state; see `Network.window`. Shape: x (T, B, C, H, W)."""
        membranes = self.initial_state(x.shape[1], *x.shape[-2:], device=x.device, dtype=x.dtype)
        features, membranes, activity = self.step(x[0], membranes)
        for now in x[1:]:
            more, membranes, counted = self.step(now, membranes)
            features = tuple(a + b for a, b in zip(features, more, strict=True))
            activity = activity + counted
        return features, membranes, activity

    def head(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Mean head inputs (B, C_l, ny, nx) a level to raw maps (B, A, ny, nx, 5 + classes)."""
        graph = self.network.graph
        values = graph.run(dict(zip(self._features, features, strict=True)), graph.outputs)
        return tuple(values[name] for name in graph.outputs)

    def fused(self) -> Self:
        """A copy; norms were folded when the twin was converted."""
        return copy.deepcopy(self).eval()

    def _fired(
        self, known: Mapping[str, Tensor], membranes: tuple[Tensor, ...]
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], dict[str, Tensor]]:
        """Head inputs, next membranes and events by driver, of one simulation step."""
        events: dict[str, Tensor] = {}

        def seen(name: str, value: Tensor) -> None:
            if name in self._drivers:
                events[name] = (value != 0).to(value)

        values, after = self.network.advance(known, membranes, 0, self._features, seen)
        return tuple(values[name] for name in self._features), after, events

    def _shares(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(f / self.ticks for f in features)

    def _activity(self, x: Tensor, events: Mapping[str, Tensor]) -> Tensor:
        """(B, L, 2) of events by driver, and of the input where its events act as spikes."""
        places = sites(self.layout, x.shape[-2], x.shape[-1])
        counted = [
            activity_of(events[driver], site)
            for driver, site in zip(self._drivers, places.neurons, strict=True)
        ]
        if places.input:
            counted.append(activity_of(x, places.input))
        return torch.stack(counted, dim=1)

    def _check_names(self) -> None:
        """Find for each layer of neurons of the layout what its synapses read.

        That is the layer itself, or the pool behind it where a conversion put that there.
        """
        graph = self.network.graph
        names = {node.name for node in graph.nodes}
        places = sites(self.layout, 32, 32).neurons
        wanted = {site.name: f"{site.targets[0].name}.conv" if site.targets else "" for site in places}
        missing = {*self._head, *filter(None, wanted.values()), *wanted} - names
        if missing:
            raise NotConvertible(
                f"the conversion has no {min(missing)!r}, which the layout {self.layout.name!r} has; convert "
                "the twin of this layout"
            )
        self._drivers = tuple(graph.node(conv).sources[0] if conv else name for name, conv in wanted.items())


def _fixed(graph: Graph) -> tuple[str, ...]:
    """Names of the values that the simulation steps of one step read and that are the same in all of them.

    Those behind the gate of a max pool are not among them: it remembers the steps before.
    """
    same = {INPUT}
    for node in graph.nodes:
        if node.kind not in ("activation", "max_pool") and same.issuperset(node.sources):
            same.add(node.name)
    return tuple(name for name in same if any(reader.name not in same for reader in graph.readers(name)))
