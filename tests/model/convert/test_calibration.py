"""SNN Calibration (A7 of the specification), exactly."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from model.convert.calibration import Calibration
from model.convert.graph import INPUT, Graph
from model.convert.method import convert
from model.convert.network import SpikingNetwork, SpikingSettings
from model.convert.simulate import mean_values, simulate
from model.convert.thresholds import ThresholdSettings
from model.convert.trace import trace
from model.convert.weight_calibration import Weights, stretch
from model.errors import BadSetting
from tests.model.convert.nets import TOPOLOGIES, made

STEPS = 8
NONE = Calibration(steps=STEPS, bias=0)
LIGHT, POTENTIAL = replace(NONE, bias=1), replace(NONE, potential=True)
LEARN = replace(NONE, weights=Weights(iterations=80, rate=2e-3, batch=8))
BRIEFLY = replace(NONE, weights=Weights(iterations=3))


def gap(network: SpikingNetwork, graph: Graph, x: Tensor, name: str, steps: int = STEPS) -> Tensor:
    """By how much spikes fall short of the ANN's activations in the mean over rows, (C, H, W)."""
    spikes = mean_values(network, x, steps, [name])[name]
    return (graph.run({INPUT: x}, [name])[name] - spikes).mean(0)


def by_channel(values: Tensor) -> Tensor:
    return values.reshape(len(values), -1).mean(1)


@pytest.mark.parametrize("steps", [1, 8, 31])
def test_the_shift_is_half_a_spike_over_all_steps(steps: int) -> None:
    net, x = made("residual")
    for neuron in convert(net, [x], replace(NONE, steps=steps)).neurons.values():
        torch.testing.assert_close(neuron.extra * steps, neuron.threshold / 2)


def test_everything_is_for_the_steps_asked_for() -> None:
    """Thresholds, shift, bias and potential: none is what another number of steps gives."""
    net, x = made("plain")
    full = replace(POTENTIAL, bias=1)
    few, many = (convert(net, [x], replace(full, steps=steps)).neurons for steps in (4, 64))
    for name in few:
        assert few[name].threshold < many[name].threshold
        assert not torch.allclose(few[name].extra, many[name].extra)
        assert not torch.allclose(few[name].initial, many[name].initial)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_without_corrections_nothing_is_corrected(topology: str) -> None:
    """The same answers, bit by bit, as a network with those thresholds alone."""
    net, x = made(topology)
    ours = convert(net, [x], replace(NONE, threshold=ThresholdSettings("max"), shift=False))
    graph = trace(net, x)
    bare = SpikingNetwork(graph)
    for name, neuron in bare.neurons.items():
        neuron.threshold = graph.run({INPUT: x}, [name])[name].abs().max()
    for a, b in zip(simulate(ours, x, 16).last.outputs, simulate(bare, x, 16).last.outputs, strict=True):
        assert torch.equal(a, b)


def shortfall(network: SpikingNetwork, graph: Graph, x: Tensor, name: str) -> Tensor:
    """What the channels of a layer are off in the mean."""
    return by_channel(gap(network, graph, x, name)).abs().mean()


@pytest.mark.parametrize("channel_wise", [False, True])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_biases_bring_the_mean_of_channels_home(topology: str, channel_wise: bool) -> None:
    """On the data it saw, what channels are off falls in one round, and to half or less in three."""
    net, x = made(topology)
    graph, none = trace(net, x), replace(NONE, threshold=ThresholdSettings(channel_wise=channel_wise))
    plain, once, thrice = (convert(net, [x], replace(none, bias=rounds)) for rounds in (0, 1, 3))
    for name, neuron in once.neurons.items():
        for network, share in ((once, 0.9), (thrice, 0.5)):
            after = shortfall(network, graph, x, name)
            corrected, network.neurons[name].extra = network.neurons[name].extra, plain.neurons[name].extra
            before = shortfall(network, graph, x, name)
            network.neurons[name].extra = corrected
            assert after <= share * before
        short = neuron.extra - plain.neurons[name].extra
        neuron.extra = plain.neurons[name].extra
        torch.testing.assert_close(short.flatten(), by_channel(gap(once, graph, x, name)))
        neuron.extra = neuron.extra + short


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_potentials_are_what_neurons_were_short_of(topology: str) -> None:
    net, x = made(topology)
    network, graph = convert(net, [x], POTENTIAL), trace(net, x)
    for name, neuron in network.neurons.items():
        mine, neuron.initial = neuron.initial, torch.zeros(()).double()
        expected = STEPS * gap(network, graph, x, name)
        neuron.initial = mine
        assert mine.shape == expected.shape
        torch.testing.assert_close(mine, expected, rtol=1e-9, atol=1e-12)


def test_potentials_follow_biases() -> None:
    """Where both are asked for, potentials correct what biases left."""
    net, x = made("residual")
    both, light = (convert(net, [x], m) for m in (replace(POTENTIAL, bias=1), LIGHT))
    for name, neuron in both.neurons.items():
        assert torch.equal(neuron.extra, light.neurons[name].extra)
        assert neuron.initial.abs().max() > 0


@pytest.mark.parametrize("topology", ["plain", "residual", "depthwise and transposed", "several outputs"])
def test_weights_learn_what_spikes_can_say(topology: str) -> None:
    """Each layer comes nearer to the ANN's activations; nothing but weights before neurons has changed."""
    net, x = made(topology)
    learned, before = convert(net, [x], LEARN), convert(net, [x], NONE)
    graph = trace(net, x)
    last = list(learned.neurons)[-1]
    wanted = graph.run({INPUT: x}, [last])[last]
    errors = [(mean_values(n, x, STEPS, [last])[last] - wanted).square().mean() for n in (learned, before)]
    assert errors[0] < 0.95 * errors[1]
    changed = {
        node.name
        for node, other in zip(learned.graph.nodes, before.graph.nodes, strict=True)
        for mine, theirs in zip(node.op.parameters(), other.op.parameters(), strict=True)
        if not torch.equal(mine, theirs)
    }
    heads = {node.name for node in graph.of_kind("affine") if not graph.readers(node.name)}
    heads |= {source for output in graph.outputs for source in _leading_layer(graph, output)}
    assert changed == {node.name for node in graph.of_kind("affine")} - heads
    for one, other in zip(learned.neurons.values(), before.neurons.values(), strict=True):
        assert torch.equal(one.threshold, other.threshold)
        assert torch.equal(one.extra, other.extra)
    assert not any(p.requires_grad or p.grad is not None for p in learned.parameters())


def _leading_layer(graph: Graph, output: str) -> list[str]:
    node = graph.node(output)
    while node.kind != "affine":
        node = graph.node(node.sources[0])
    return [node.name]


def test_weights_learn_with_the_shift_that_runs() -> None:
    """Without it, as in the published code, they make up for a floor that is not there."""
    net, x = made("several outputs")
    graph, weights = trace(net, x), Weights(iterations=80, rate=2e-3, batch=8)
    ours, published = (
        convert(net, [x], replace(NONE, weights=replace(weights, extra=extra))) for extra in (True, False)
    )
    last = list(ours.neurons)[-1]
    assert shortfall(ours, graph, x, last) < 0.5 * shortfall(published, graph, x, last)
    assert gap(published, graph, x, last).mean() < 0


def test_weights_are_learned_the_same_way_twice() -> None:
    net, x = made("residual")
    first, second = (convert(net, [x], BRIEFLY).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_residual_join_learns_both_its_branches() -> None:
    """Its current is the sum of both, and the spikes beside come as they are."""
    graph = trace(*made("residual"))
    joins = [node for node in graph.of_kind("activation") if graph.node(node.sources[0]).kind == "add"]
    edges, layers = zip(*(stretch(graph, join.name) for join in joins), strict=True)
    assert [len(e) for e in edges] == [2, 2]
    assert [[node.name for node in nodes] for nodes in layers] == [
        ["2.second.0"],
        ["3.beside.0", "3.second.0"],
    ]


def test_a_layer_that_several_read_keeps_its_weights() -> None:
    """The stem before two sums is not one activation's own."""
    graph = trace(*made("pre-activation"))
    first = graph.of_kind("activation")[0]
    assert stretch(graph, first.name)[1] == ()


@pytest.mark.parametrize("method", [LIGHT, POTENTIAL, replace(BRIEFLY, bias=1, potential=True)])
def test_the_ann_stays_as_it_is(method: Calibration) -> None:
    net, x = made("residual")
    graph = trace(net, x)
    kept, traced = copy.deepcopy(net.state_dict()), copy.deepcopy(graph.state_dict())
    method.convert(graph, [x], lambda *_: None)
    convert(net, [x], method)
    assert all(torch.equal(net.state_dict()[key], kept[key]) for key in kept)
    assert all(torch.equal(graph.state_dict()[key], traced[key]) for key in traced)


def test_hidden_linear_layers_spike_and_are_calibrated() -> None:
    net, x = made("concat, then linear")
    network = convert(net, [x], replace(POTENTIAL, bias=1))
    assert network.neurons["5"].initial.shape == (6,)
    spikes = mean_values(network, x, STEPS, ["5"])["5"] * STEPS / network.neurons["5"].threshold
    torch.testing.assert_close(spikes, spikes.round())
    assert spikes.max() > 0


@pytest.mark.parametrize("topology", ["residual", "concat, then linear", "leaky", "several outputs"])
@pytest.mark.parametrize("method", [LIGHT, POTENTIAL])
def test_calibrated_networks_come_to_what_the_ann_says(method: Calibration, topology: str) -> None:
    net, x = made(topology)
    method = replace(method, steps=256, threshold=ThresholdSettings("max"))
    network = convert(net, [x], method)
    for ours, theirs in zip(
        simulate(network, x[:8], 256, count=False).last.outputs, trace(net, x)(x[:8]), strict=True
    ):
        assert (ours - theirs).norm() < 0.03 * theirs.norm()


def test_spiking_pools_and_outputs_are_calibrated_too() -> None:
    net, x = made("plain")
    settings = SpikingSettings(average_pool="spiking", readout="spikes")
    network = convert(net, [x], replace(POTENTIAL, spiking=settings))
    assert set(network.neurons) == {"2", "5", "6.neuron", "9", "12", "13.neuron", "15.spikes"}
    assert all(neuron.initial.abs().max() > 0 for neuron in network.neurons.values())


@pytest.mark.parametrize("method", [LIGHT, POTENTIAL, BRIEFLY])
def test_one_row_is_enough(method: Calibration) -> None:
    net, x = made("residual")
    network = convert(net, [x[:1]], method)
    assert all(torch.isfinite(values).all() for values in network.state_dict().values())
    assert torch.isfinite(simulate(network, x, STEPS).last.outputs[0]).all()


@pytest.mark.parametrize(
    "method", [LIGHT, POTENTIAL, replace(BRIEFLY, threshold=ThresholdSettings(channel_wise=True))]
)
def test_dead_channels_stay_silent(method: Calibration) -> None:
    net, x = made("plain")
    norm = net.get_submodule("1")
    assert isinstance(norm, nn.BatchNorm2d)
    with torch.no_grad():
        norm.weight[0], norm.bias[0] = 0.0, -1.0
    network = convert(net, [x], method)
    assert all(torch.isfinite(values).all() for values in network.state_dict().values())
    assert mean_values(network, x, STEPS, ["2"])["2"][:, 0].abs().max() == 0


def test_only_so_many_rows_are_corrected_on() -> None:
    """The first of all batches together."""
    net, x = made("plain")
    threshold = ThresholdSettings("max", momentum=None)
    few = replace(POTENTIAL, rows=10, threshold=threshold)
    ours = convert(net, [x[:6], x[6:18], x[18:]], few)
    theirs = convert(net, [x[:10], x[10:]], few)
    other = convert(net, [x], replace(few, rows=24))
    for name, neuron in ours.neurons.items():
        torch.testing.assert_close(neuron.initial, theirs.neurons[name].initial)
        assert not torch.allclose(neuron.initial, other.neurons[name].initial)


def test_progress_reaches_the_end_of_each_part() -> None:
    net, x = made("residual")
    told: list[tuple[str, float]] = []
    method = replace(BRIEFLY, bias=1, potential=True)
    convert(net, [x, x], method, progress=lambda what, share: told.append((what, share)))
    parts = list(dict.fromkeys(what for what, _ in told))
    assert parts == ["finding thresholds", *(f"calibrating {p}" for p in ("weights", "biases", "potentials"))]
    for part in parts:
        shares = [share for what, share in told if what == part]
        assert shares == sorted(shares)
        assert shares[-1] == 1.0


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (Calibration, {"steps": 0}, "steps is 0; calibrate for at least 1"),
        (Calibration, {"rows": 0}, "rows is 0"),
        (Calibration, {"bias": -1}, "bias -1"),
        (Weights, {"iterations": 0}, r"\(0, 32, 1024\)"),
        (Weights, {"batch": 0}, r"\(5000, 0, 1024\)"),
        (Weights, {"rate": 0.0}, "rate is 0.0"),
        (Weights, {"rate": float("nan")}, "rate is nan"),
    ],
)
def test_bad_settings_are_refused(make: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        make(**settings)
