"""ECC and evaluation in counts of spikes (A1 and A6 of the specification), exactly."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from model.convert.counts import count_domain, counted
from model.convert.ecc import ECC, PUBLISHED, quantized
from model.convert.graph import INPUT, Graph
from model.convert.method import convert
from model.convert.network import SpikingNetwork, SpikingSettings
from model.convert.neuron import IF, IFSettings, Reset
from model.convert.simulate import simulate
from model.convert.trace import trace
from model.errors import BadCalibration, BadSetting
from tests.model.convert.nets import TOPOLOGIES, made

POOLS = SpikingSettings(average_pool="spiking")


def neurons(threshold: float, initial: float = 0.0, *, slope: float = 0.0) -> IF:
    unit = IF(IFSettings(slope=slope), torch.tensor(threshold).double())
    unit.initial = torch.tensor(initial).double()
    return unit


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_fractions_of_spikes_say_what_the_ann_says(topology: str) -> None:
    """The published tool's check: norms, units and biases are right wherever they go."""
    net, x = made(topology)
    graph, network = trace(net, x), convert(net, [x], ECC(spiking=POOLS))
    read = count_domain(network, x, 8, rounded=False)
    for ours, theirs in zip(read.outputs, graph(x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    for node in graph.of_kind("activation"):
        activation = graph.run({INPUT: x}, [node.name])[node.name]
        unit = 8 / network.neurons[node.name].threshold
        torch.testing.assert_close(read.counts[node.name], activation * unit, rtol=1e-9, atol=1e-9)


def test_outputs_that_spike_are_cut_at_every_step() -> None:
    net, x = made("plain")
    outputs = count_domain(convert(net, [x], ECC(spiking=PUBLISHED)), 3 * x, 8, input_peak=3.0).outputs[0]
    network = convert(net, [x], ECC(spiking=PUBLISHED))
    spikes = outputs * 8 / network.neurons["15.spikes"].threshold
    torch.testing.assert_close(spikes, spikes.round())
    assert spikes.min() == 0
    assert spikes.max() <= 8


@pytest.mark.parametrize("epsilon", [1e-5, 1e-3])
def test_norms_are_folded_with_their_own_epsilon(epsilon: float) -> None:
    """Consistency maintenance: where variances are small, another epsilon is another network."""
    net, x = made("plain")
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.eps = epsilon
        assert norm.running_var is not None
        norm.running_var.mul_(1e-4)
    read = count_domain(convert(net, [x], ECC(spiking=POOLS)), x, 8, rounded=False)
    torch.testing.assert_close(read.outputs[0], net(x), rtol=1e-9, atol=1e-9)
    for norm in norms:
        norm.eps = 1e-2
    assert (read.outputs[0] - net(x)).norm() > 0.1 * net(x).norm()


def convolved(weight: list[Any], bias: list[float], spikes: Any) -> Any:
    """A 3x3 convolution with padding 1, one output at a time, whole numbers of spikes in."""
    rows, columns = len(spikes[0]), len(spikes[0][0])
    given = [[[0.0] * columns for _ in range(rows)] for _ in weight]
    for o, kernel in enumerate(weight):
        for y in range(rows):
            for x in range(columns):
                total = bias[o]
                for c in range(len(spikes)):
                    for i in range(3):
                        for j in range(3):
                            if 0 <= y + i - 1 < rows and 0 <= x + j - 1 < columns:
                                total += kernel[c][i][j] * spikes[c][y + i - 1][x + j - 1]
                given[o][y][x] = total
    return given


def fired(current: float, threshold: float, residual: float, steps: int) -> int:
    return min(max(math.floor((max(current, 0.0) + residual * threshold) / threshold + 1e-9), 0), steps)


def published_counts(
    graph: Graph, highest: dict[str, float], row: Any, steps: int, residual: float, amplification: float
) -> dict[str, Any]:
    """Spikes of each layer of the plain network, as the published algorithm has them, one neuron at a time.

    Weights are kappa W / g and biases kappa b / lambda, thresholds kappa, with g the ratio of a layer's
    highest activation to that of the layer before; a pool's threshold is its g; inputs floor(x T).
    """
    spikes = [[[math.floor(v * steps) for v in line] for line in plane] for plane in row]
    before, found = 1.0, dict[str, Any]()
    for name, source in highest.items():
        ratio, op = source / before, graph.node(name.removesuffix(".neuron")).op
        if name.endswith(".neuron"):
            half = range(len(spikes[0]) // 2)
            spikes = [
                [
                    [
                        fired(
                            sum(p[2 * y + i][2 * x + j] for i in (0, 1) for j in (0, 1)) / 4,
                            ratio,
                            residual,
                            steps,
                        )
                        for x in half
                    ]
                    for y in half
                ]
                for p in spikes
            ]
        else:
            op = graph.node(graph.node(name).sources[0]).op
            weight = (op.weight * amplification / ratio).tolist()
            bias = (op.bias * amplification / source * steps).tolist()
            currents = convolved(weight, bias, spikes)
            spikes = [
                [[fired(v, amplification, residual, steps) for v in line] for line in plane]
                for plane in currents
            ]
        before, found[name] = source, spikes
    return found


@pytest.mark.parametrize("amplification", [1.0, 100.0])
@pytest.mark.parametrize(("steps", "residual"), [(8, 0.5), (31, 0.5), (8, 0.0), (31, 2 / 3)])
def test_counts_are_the_published_ones(steps: int, residual: float, amplification: float) -> None:
    """Neuron by neuron in whole numbers, whatever currents are amplified by."""
    net, x = made("plain")
    network = convert(net, [x], ECC(residual=residual, spiking=POOLS))
    graph = trace(net, x)
    highest = {name: unit.threshold.item() for name, unit in network.neurons.items()}
    ours = count_domain(network, x[:1], steps).counts
    theirs = published_counts(graph, highest, x[0].tolist(), steps, residual, amplification)
    for name in highest:
        np.testing.assert_array_equal(ours[name][0].numpy(), np.array(theirs[name]))


@given(
    st.integers(1, 64),
    st.sampled_from([0.0, 0.25, 0.5, 0.75]),
    st.sampled_from([0.0, 0.25, 1.0]),
    st.sampled_from([0.5, 1.0, 4.0]),
)
@settings(max_examples=60, deadline=None)
def test_a_constant_current_makes_as_many_spikes_step_by_step(
    steps: int, share: float, slope: float, threshold: float
) -> None:
    """Numbers that floating point holds exactly, ties among them."""
    unit = neurons(threshold, share * threshold, slope=slope)
    current = torch.arange(-256, 257).double() / 64 * threshold
    current = current[(current <= threshold) & (slope * current >= -threshold)]
    membrane, total = torch.zeros_like(current), torch.zeros_like(current)
    for _ in range(steps):
        sent, membrane = unit.step(current, membrane)
        total += sent / threshold
    assert torch.equal(total, counted(unit, current, steps))


@pytest.mark.parametrize("steps", [1, 8, 100])
def test_counts_are_whole_and_within_the_steps(steps: int) -> None:
    current = torch.linspace(-3, 3, 1001).double()
    plain, charged = (counted(neurons(0.7, initial), current, steps) for initial in (0.0, 0.35))
    assert set((charged - plain).unique().tolist()) == {0.0, 1.0}
    for counts in (plain, charged):
        assert torch.equal(counts, counts.round())
        assert counts[current < 0].abs().max() == 0
        assert counts.max() == steps


def test_the_first_layer_counts_as_it_runs() -> None:
    """Where currents are constant both evaluations are one; behind they are not."""
    net, x = made("residual")
    network = convert(net, [x], ECC(spiking=POOLS))
    read, ran = count_domain(network, x, 16, input_peak=None), simulate(network, x, 16).last
    first, second = list(network.neurons)[:2]
    assert torch.equal(read.counts[first].flatten(1).sum(1), ran.cost.spikes[first])
    assert not torch.equal(read.counts[second].flatten(1).sum(1), ran.cost.spikes[second])


def test_inputs_are_whole_numbers_of_spikes() -> None:
    net, x = made("plain")
    network = convert(net, [x], ECC(spiking=POOLS))
    fine, coarse = x, (x * 8).floor() / 8
    for peak in (1.0, 5.0):
        a, b = (count_domain(network, peak * v, 8, input_peak=peak) for v in (fine, coarse))
        assert torch.equal(a.outputs[0], b.outputs[0])
    beyond = count_domain(network, 1 + x, 8, input_peak=1.0).outputs[0]
    assert torch.equal(beyond, count_domain(network, torch.ones_like(x), 8).outputs[0])


def test_operations_are_spikes_times_synapses() -> None:
    """Each spike and each of the synapses it reaches, one by one, with stride, padding and groups."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(2, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, 1, 0, groups=4), nn.ReLU(),
            nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 3),
        ).double()  # fmt: skip
        x = torch.rand(3, 2, 8, 8).double()
    network = convert(net, [x], ECC(spiking=POOLS))
    read = count_domain(network, x, 8)
    reached = torch.zeros(8, 8).double()  # by inputs, of the 4 x 4 outputs of each channel
    for y, z, i, j in np.ndindex(4, 4, 3, 3):
        if 0 <= 2 * y + i - 1 < 8 and 0 <= 2 * z + j - 1 < 8:
            reached[2 * y + i - 1, 2 * z + j - 1] += 4
    within = torch.zeros(4, 4).double()
    for y, z, i, j in np.ndindex(2, 2, 3, 3):
        within[y + i, z + j] += 1
    counts = read.counts
    expected = {
        "0": (8 * x).floor() * reached,
        "2": counts["1"] * within,
        "4": counts["3"],
        "6": 3 * counts["4.neuron"],
    }
    assert set(read.activity.synops) == set(expected)
    for name, operations in expected.items():
        torch.testing.assert_close(read.activity.synops[name], operations.flatten(1).sum(1))
    assert read.activity.total_macs == 0
    for name, total in read.activity.spikes.items():
        assert torch.equal(total, counts[name].flatten(1).sum(1))
    constant = count_domain(network, x, 8, input_peak=None).activity
    assert dict(constant.macs) == {"0": 4 * 4 * 4 * 2 * 9}
    assert set(constant.synops) == set(expected) - {"0"}


@pytest.mark.parametrize("topology", ["residual", "concat", "max pool", "leaky"])
def test_what_passes_joins_is_no_more_than_a_spike_a_step(topology: str) -> None:
    net, x = made(topology)
    read = count_domain(convert(net, [x], ECC(spiking=POOLS)), x, 8)
    everywhere = convert(net, [x], ECC(spiking=POOLS))
    for unit in everywhere.neurons.values():
        unit.initial = unit.threshold * 100.0
    most = count_domain(everywhere, torch.ones_like(x), 8).activity
    for name, operations in read.activity.synops.items():
        assert (operations <= most.synops[name]).all()


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_weights_are_whole_multiples_of_their_unit(bits: int) -> None:
    net, x = made("residual")
    graph, network = trace(net, x), convert(net, [x], ECC(weight_bits=bits))
    for before, after in zip(graph.of_kind("affine"), network.graph.of_kind("affine"), strict=True):
        weight, given = before.op.weight, after.op.weight
        assert isinstance(weight, Tensor)
        assert isinstance(given, Tensor)
        unit = weight.abs().max() * 2.0 ** (1 - bits)
        torch.testing.assert_close(given / unit, (given / unit).round(), rtol=0, atol=1e-9)
        assert (given.abs() <= weight.abs() + 1e-12).all()
        assert ((weight - given).abs() <= unit).all()
        assert torch.equal(before.op.bias, after.op.bias)


def test_more_bits_come_nearer() -> None:
    weight = torch.randn(100, generator=torch.Generator().manual_seed(0)).double()
    errors = [float((quantized(weight, bits) - weight).abs().max()) for bits in (2, 4, 8, 16)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-3
    assert torch.equal(quantized(torch.zeros(3), 8), torch.zeros(3))


@pytest.mark.parametrize("topology", ["residual", "concat, then linear", "leaky", "several outputs"])
def test_step_by_step_it_comes_to_what_the_ann_says(topology: str) -> None:
    net, x = made(topology)
    network = convert(net, [x], ECC())
    ran = simulate(network, x[:8], 256, count=False).last
    for ours, theirs in zip(ran.outputs, trace(net, x)(x[:8]), strict=True):
        assert (ours - theirs).norm() < 0.03 * theirs.norm()


def test_membranes_start_at_a_share_of_the_threshold() -> None:
    net, x = made("concat")
    for share in (0.0, 0.5):
        for channel_wise in (False, True):
            method = ECC(residual=share, channel_wise=channel_wise)
            for unit in convert(net, [x], method).neurons.values():
                assert torch.equal(unit.initial, share * unit.threshold)
                assert (unit.threshold.dim() == 3) == channel_wise


def test_the_ann_stays_as_it_is() -> None:
    net, x = made("residual")
    kept = copy.deepcopy(net.state_dict())
    convert(net, [x], ECC(weight_bits=4))
    assert all(torch.equal(net.state_dict()[key], kept[key]) for key in kept)


def converted(spiking: SpikingSettings) -> SpikingNetwork:
    net, x = made("plain")
    return convert(net, [x], ECC(spiking=spiking))


@pytest.mark.parametrize("reset", ["zero", "modulo"])
def test_counts_need_nothing_to_be_lost(reset: Reset) -> None:
    network = converted(SpikingSettings(reset=reset, average_pool="spiking"))
    with pytest.raises(BadSetting, match=f"{reset}.*reset='subtract'"):
        count_domain(network, torch.rand(1, 2, 8, 8).double(), 8)


@pytest.mark.parametrize(
    "spiking", [SpikingSettings(), SpikingSettings(average_pool="spiking", readout="softmax")]
)
def test_counts_need_neurons_behind_pools_and_no_chance(spiking: SpikingSettings) -> None:
    with pytest.raises(BadSetting, match="average_pool='spiking' and readout"):
        count_domain(converted(spiking), torch.rand(1, 2, 8, 8).double(), 8)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"steps": 0}, BadSetting, "steps is 0"),
        ({"input_peak": 0.0}, BadSetting, "input_peak is 0.0"),
        ({"x": -torch.ones(1, 2, 8, 8).double()}, BadCalibration, "lowest input is -1"),
        ({"x": torch.ones(1, 3, 8, 8).double()}, BadCalibration, "do not fit the network"),
    ],
)
def test_bad_evaluations_are_refused(change: dict[str, Any], error: type[Exception], message: str) -> None:
    given = {"x": torch.rand(1, 2, 8, 8).double(), "steps": 8, **change}
    with pytest.raises(error, match=message):
        count_domain(converted(PUBLISHED), **given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"residual": 1.0}, "residual is 1.0"),
        ({"residual": -0.1}, "residual is -0.1"),
        ({"weight_bits": 1}, "weight_bits is 1"),
    ],
)
def test_bad_settings_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        ECC(**change)
