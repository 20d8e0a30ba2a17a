"""Converted networks: read-out (A9 of the specification), state, settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.convert.graph import INPUT
from model.convert.inputs import EventStream
from model.convert.method import convert
from model.convert.network import SpikingNetwork, SpikingSettings
from model.convert.rueckauer import Rueckauer
from model.convert.simulate import mean_values, simulate
from model.convert.trace import trace
from model.convert.twin import Twin
from model.errors import BadCalibration, BadSetting, BadState, NotConvertible
from model.layout import ann_twin, named_layout
from model.networks import build
from model.state import from_bytes, reset, select, split, stack, to_bytes
from tests.model.convert.nets import TOPOLOGIES, made

ROBUST = Rueckauer(percentile=100, channel_wise=True, initial=0.5)


def spiking(topology: str, method: Rueckauer = ROBUST) -> tuple[nn.Module, SpikingNetwork, Tensor]:
    net, x = made(topology)
    return net.requires_grad_(False), convert(net, [x], method), x


def ann_outputs(net: nn.Module, x: Tensor) -> list[Tensor]:
    y = net(x)
    return [y] if isinstance(y, Tensor) else list(y)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_outputs_come_close_to_those_of_the_ann(topology: str) -> None:
    """All joins and layers; the maximum as threshold cuts nothing off, so the error falls as 1 / T."""
    net, network, x = spiking(topology)
    run = simulate(network, x[:6], 512, read_at=[64], count=False)
    errors = []
    for steps in (64, 512):
        pairs = zip(run.readings[steps].outputs, ann_outputs(net, x[:6]), strict=True)
        errors.append(max(float((ours - y).norm() / y.norm()) for ours, y in pairs))
    assert errors[1] < 0.05
    assert errors[1] < errors[0]


def test_a_detector_comes_close_to_its_twin() -> None:
    torch.manual_seed(0)
    network = build(ann_twin(named_layout("ems-nano", classes=2)), height=64, width=64).double()
    x = torch.rand(4, 2, 64, 64, dtype=torch.float64)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.uniform_(module.bias, 0.0, 0.4)
    network(x.unsqueeze(0))
    twin = Twin(network.eval()).requires_grad_(False)
    converted = convert(twin, [x], ROBUST)
    assert [node.kind for node in converted.graph.nodes].count("activation") == len(converted.neurons) == 16
    outputs = simulate(converted, x[:2], 256, count=False).last.outputs
    for ours, theirs in zip(outputs, twin(x[:2]), strict=True):
        assert ours.shape == theirs.shape
        spread = theirs - theirs.mean((0, 2, 3), keepdim=True)
        assert float((ours - theirs).norm()) < 0.1 * float(spread.norm())


def test_the_readout_is_the_last_layer_of_the_mean_spikes() -> None:
    """Signed and not cut off, whatever the outputs are: here up to a thousand times the range."""
    net, x = made("plain")
    with torch.no_grad():
        net[-1].weight *= -1000
    network = convert(net, [x], ROBUST)
    last = network.graph.outputs[0]
    read = network.graph.node(last).sources[0]
    for steps in (1, 7, 40):
        means = mean_values(network, x, steps, [read, last])
        outputs = simulate(network, x, steps, count=False).last.outputs[0]
        torch.testing.assert_close(outputs, net[-1](means[read]), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(outputs, means[last], rtol=1e-12, atol=1e-12)
    assert outputs.min() < -100
    assert outputs.max() > 100


def test_what_follows_a_current_is_read_once() -> None:
    """The head of a detector on currents: they are added up, the head runs on their mean."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1), nn.Softmax(1)
    ).double()
    x = torch.rand(3, 2, 8, 8, dtype=torch.float64)
    network = convert(net, [x], ROBUST)
    assert network.summed == ("2",)
    mean = mean_values(network, x, 9, ["2"])["2"]
    torch.testing.assert_close(simulate(network, x, 9).last.outputs[0], net[3:](mean))


def test_means_are_what_nodes_give_on_average() -> None:
    _, network, x = spiking("concat")
    names = [node.name for node in network.graph.nodes if node.kind != "affine"]
    kept: dict[str, list[Tensor]] = {name: [] for name in names}
    state = network.initial_state(len(x), (2, 8, 8))
    for _ in range(6):
        state = network.step({INPUT: x}, state, lambda name, value: kept.get(name, []).append(value))
    for name, mean in mean_values(network, x, 6, names).items():
        torch.testing.assert_close(mean, torch.stack(kept[name]).mean(0))


@pytest.mark.parametrize("topology", ["max pool", "residual", "several outputs"])
def test_going_on_is_the_same_as_one_go(topology: str) -> None:
    _, network, x = spiking(topology)
    whole = simulate(network, x, 20)
    half = simulate(network, x, 9)
    rest = simulate(network, x, 11, state=half.state)
    for a, b in zip(whole.state.arrays, rest.state.arrays, strict=True):
        assert torch.equal(a, b)
    for a, b in zip(whole.last.outputs, rest.last.outputs, strict=True):
        assert torch.equal(a, b)
    assert rest.state.steps.tolist() == [20] * len(x)
    totals = half.last.cost.total_spikes + rest.last.cost.total_spikes
    assert torch.equal(totals, whole.last.cost.total_spikes)


@pytest.mark.parametrize("topology", ["max pool", "leaky"])
def test_rows_do_not_know_of_each_other(topology: str) -> None:
    """A stack of states goes on as each alone, and zeros are the state at rest in spite of V(0)."""
    _, network, x = spiking(topology)
    together = simulate(network, x[:3], 5).state
    states = split(together)
    states[1] = reset(states[1], [0])
    after = simulate(network, x[:3], 4, state=stack(states)).state
    for row, first in ((0, x[:1]), (1, x[1:2]), (2, x[2:3])):
        alone = simulate(network, first, 4 if row == 1 else 9).state
        for a, b in zip(select(after, [row]).arrays, alone.arrays, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_states_are_saved_and_refused_by_shape() -> None:
    _, network, x = spiking("max pool")
    state = simulate(network, x, 3).state
    again = from_bytes(to_bytes(state), network.initial_state(1, (2, 8, 8)))
    assert all(torch.equal(a, b) for a, b in zip(state.arrays, again.arrays, strict=True))
    for wrong in (network.initial_state(2, (2, 8, 8)), spiking("leaky")[1].initial_state(24, (2, 8, 8))):
        with pytest.raises(BadState, match="initial_state"):
            network.step({INPUT: x}, wrong)


def test_weights_are_saved_and_loaded() -> None:
    """Into a network of the same structure whose thresholds have other shapes."""
    net, network, x = spiking("residual")
    blank = SpikingNetwork(trace(net, x), network.settings)
    for parameter in blank.parameters():
        parameter.data.zero_()
    blank.load_state_dict(network.state_dict())
    for a, b in zip(simulate(network, x, 9).last.outputs, simulate(blank, x, 9).last.outputs, strict=True):
        assert torch.equal(a, b)


def test_conversion_leaves_graph_and_network_as_they_are() -> None:
    net, x = made("residual")
    graph = trace(net, x)
    before = [p.clone() for p in graph.parameters()]
    network = Rueckauer(form="weights").convert(graph, [x], lambda *_: None)
    assert all(torch.equal(a, b) for a, b in zip(before, graph.parameters(), strict=True))
    network.graph.ops[0].weight.data.zero_()
    assert graph.ops[0].weight.any()


def test_pools_of_their_own_neurons_spike_with_the_amplitude_that_comes_in() -> None:
    net, x = made("concat")
    for channel_wise in (False, True):
        method = Rueckauer(channel_wise=channel_wise, spiking=SpikingSettings(average_pool="spiking"))
        network = convert(net, [x], method)
        (name,) = (name for name in network.neurons if name.endswith(".neuron"))
        source = network.graph.node(network.graph.node(name).sources[0]).sources[0]
        theta, incoming = network.neurons[name].threshold, network.neurons[source].threshold
        assert torch.equal(theta, incoming.expand(theta.shape))
        before = network.graph.node(name).sources[0]
        means = mean_values(network, x, 200, [name, before])
        sent, arrived = means[name], means[before]
        assert ((sent - arrived).abs() <= 1.001 * theta / 200).all()


@pytest.mark.parametrize("readout", ["spikes", "softmax"])
def test_outputs_that_fire(readout: Any) -> None:
    """The class that spikes most is the ANN's; a softmax at its end makes no difference to membranes."""
    net, x = made("plain")
    for ann in (net, nn.Sequential(*net, nn.Softmax(1))):
        network = convert(
            ann, [x], Rueckauer(percentile=100, initial=0.5, spiking=SpikingSettings(readout=readout))
        )
        rates = simulate(network, x, 400).last.outputs[0]
        assert rates.min() >= 0
        clear = net(x).topk(2).values.diff().abs().squeeze(1) > 0.1 * net(x).std()
        assert torch.equal(rates.argmax(1)[clear], net(x).argmax(1)[clear])
        assert clear.sum() > 10


def test_a_softmax_is_applied_to_what_is_read() -> None:
    net, x = made("plain")
    with_softmax = convert(nn.Sequential(*net, nn.Softmax(1)), [x], ROBUST)
    logits = simulate(convert(net, [x], ROBUST), x, 30).last.outputs[0]
    torch.testing.assert_close(simulate(with_softmax, x, 30).last.outputs[0], logits.softmax(1))


@pytest.mark.parametrize("topology", ["several outputs", "concat, then linear"])
def test_outputs_fire_only_for_one_layer_of_classes(topology: str) -> None:
    net, x = made(topology)
    net = net if topology == "several outputs" else nn.Sequential(*net, nn.ReLU())
    with pytest.raises(NotConvertible, match="readout='membrane'"):
        convert(net, [x], Rueckauer(spiking=SpikingSettings(readout="spikes")))


def test_a_network_without_neurons_is_its_ann() -> None:
    net, x = (
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 2)).double(),
        made("plain")[1],
    )
    network = convert(net, [x], ROBUST)
    torch.testing.assert_close(simulate(network, x, 3).last.outputs[0], net(x))


def test_max_pools_of_changing_inputs_are_gated() -> None:
    """Ahead of any neuron: a pool of bins of events forwards its leader, and ends at the highest mean."""
    net = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(2, 2, 1)).double()
    x = torch.rand(6, 3, 2, 4, 4, dtype=torch.float64)
    network = convert(net, [x[0]], Rueckauer())
    outputs = simulate(network, x, 6, code=EventStream()).last.outputs[0]
    torch.testing.assert_close(outputs, net(x.mean(0)))


@pytest.mark.parametrize(("steps", "read_at"), [(0, ()), (-3, ()), (5, (0,)), (5, (6,))])
def test_times_out_of_range_are_refused(steps: int, read_at: tuple[int, ...]) -> None:
    _, network, x = spiking("plain")
    with pytest.raises(BadSetting, match=f"steps is {steps}"):
        simulate(network, x, steps, read_at=read_at)
    if steps < 1:
        with pytest.raises(BadSetting, match=f"steps is {steps}"):
            mean_values(network, x, steps, ["2"])


def test_a_state_at_rest_says_nothing() -> None:
    _, network, _ = spiking("plain")
    with pytest.raises(BadSetting, match="0 steps"):
        network.readout(network.initial_state(2, (2, 8, 8)))


def test_inputs_of_another_shape_are_refused() -> None:
    _, network, x = spiking("plain")
    for wrong in (x[:, :1], torch.rand(2, 2, 12, 12, dtype=torch.float64), x[0]):
        with pytest.raises(BadCalibration, match="do not fit the network"):
            simulate(network, wrong, 3)


@pytest.mark.parametrize("field", ["average_pool", "readout", "max_pool", "reset"])
def test_settings_that_mean_nothing_are_refused(field: str) -> None:
    net, x = made("max pool")
    with pytest.raises(BadSetting, match="'else'"):
        convert(net, [x], Rueckauer(spiking=SpikingSettings(**{field: "else"})))  # type: ignore[arg-type]


def test_float32_networks_stay_float32() -> None:
    net, x = made("residual")
    network = convert(net.float(), [x.float()], ROBUST)
    run = simulate(network, x.float(), 3)
    assert {t.dtype for t in (*run.state.arrays, *run.last.outputs)} == {torch.float32}
    assert run.state.steps.dtype == np.int64
