"""Normalised weights (A3 and A4 of the specification): as an ANN, and spike by spike."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from model.convert.graph import INPUT
from model.convert.method import convert
from model.convert.network import SpikingNetwork, SpikingSettings
from model.convert.ranges import percentiles
from model.convert.rueckauer import Rueckauer
from model.convert.scales import normalized
from model.convert.simulate import simulate
from model.convert.trace import trace
from model.errors import NotConvertible
from tests.model.convert.nets import TOPOLOGIES, made


@pytest.mark.parametrize("channel_wise", [False, True])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_each_value_is_divided_by_its_scale(topology: str, channel_wise: bool) -> None:
    net, x = made(topology)
    graph = trace(net, x)
    names = [node.name for node in graph.nodes]
    layers = [node.name for node in graph.of_kind("activation")]
    thresholds = percentiles(graph, [x], layers, 99, lambda *_: None, channel_wise=channel_wise)
    normal = normalized(graph, thresholds, (2, 8, 8))
    before, after = graph.run({INPUT: x}, names), normal.graph.run({INPUT: x}, names)
    for name in names:
        torch.testing.assert_close(after[name], before[name] / normal.scales[name], rtol=1e-5, atol=1e-12)
    for name in layers:
        assert torch.equal(
            normal.scales[name].squeeze(0), thresholds[name].expand(normal.scales[name].shape[1:])
        )
    for ours, theirs in zip(normal.graph(x), graph(x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_plain_layers_take_the_scales_in() -> None:
    """W * scale_in / scale_out and b / scale_out, with nothing added to the network."""
    net, x = made("plain")
    graph = trace(net, x)
    normal = normalized(
        graph, {n.name: torch.tensor(2.0 + i) for i, n in enumerate(graph.of_kind("activation"))}, (2, 8, 8)
    )
    assert [node.name for node in normal.graph.nodes] == [node.name for node in graph.nodes]
    layers = zip(
        graph.of_kind("affine"), normal.graph.of_kind("affine"), [1, 2, 3, 4, 5], [2, 3, 4, 5, 1], strict=True
    )
    for before, after, scale_in, scale_out in layers:
        torch.testing.assert_close(after.op.weight, before.op.weight * scale_in / scale_out)
        torch.testing.assert_close(after.op.bias, before.op.bias / scale_out)


def trains(network: SpikingNetwork, x: Tensor, steps: int) -> dict[str, list[Tensor]]:
    """Where each layer fired, step by step."""
    fired: dict[str, list[Tensor]] = {name: [] for name in network.neurons}

    def seen(name: str, value: Tensor) -> None:
        if name in fired:
            fired[name].append(value.sign())

    state = network.initial_state(len(x), tuple(x.shape[1:]))
    for _ in range(steps):
        state = network.step(network.constants(x), state, seen)
    return fired


METHODS: dict[str, dict[str, Any]] = {
    "published": {"spiking": SpikingSettings(average_pool="spiking", max_pool="count")},
    "channels": {"channel_wise": True, "initial": 0.5},
    "zero": {"spiking": SpikingSettings(reset="zero"), "initial": 0.25},
    "modulo": {"percentile": 90, "spiking": SpikingSettings(reset="modulo")},
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_both_forms_spike_alike(topology: str, method: str) -> None:
    net, x = made(topology)
    settings = METHODS[method]
    by_threshold = convert(net, [x], Rueckauer(**settings))
    by_weight = convert(net, [x], Rueckauer(**settings, form="weights"))
    assert all(unit.threshold == 1 for unit in by_weight.neurons.values())
    ours, theirs = trains(by_threshold, x[:3], 40), trains(by_weight, x[:3], 40)
    for name, layer in ours.items():
        assert torch.equal(torch.stack(layer), torch.stack(theirs[name])), name
    assert any(torch.stack(layer).any() for layer in ours.values())
    pairs = zip(*(simulate(n, x[:3], 40).last.outputs for n in (by_threshold, by_weight)), strict=True)
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("readout", ["spikes", "softmax"])
def test_both_forms_read_alike(readout: Any) -> None:
    net, x = made("residual")
    settings = SpikingSettings(readout=readout)
    outputs = [
        simulate(convert(net, [x], Rueckauer(spiking=settings, form=form)), x, 30).last.outputs[0]
        for form in ("thresholds", "weights")
    ]
    torch.testing.assert_close(*outputs)


def test_scales_that_no_kernel_can_take_in_are_refused() -> None:
    """A decoder: neurons of a linear layer become places of a map."""
    net = nn.Sequential(
        nn.Linear(4, 32), nn.ReLU(), nn.Unflatten(1, (2, 4, 4)), nn.ConvTranspose2d(2, 3, 2, 2)
    ).double()
    x = torch.rand(9, 4, dtype=torch.float64)
    convert(net, [x], Rueckauer(form="weights"))
    convert(net, [x], Rueckauer(channel_wise=True))
    with pytest.raises(NotConvertible, match=r"'3'.*channel_wise=False"):
        convert(net, [x], Rueckauer(channel_wise=True, form="weights"))
