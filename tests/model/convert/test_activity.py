"""Counts of operations (A10 of the specification), against plain enumeration."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.convert.fanout import dense_macs, fan_out, macs
from model.convert.graph import INPUT
from model.convert.inputs import EventStream, Poisson
from model.convert.method import convert
from model.convert.network import SpikingNetwork
from model.convert.ops import Add, Mean, Scale
from model.convert.rueckauer import Rueckauer
from model.convert.simulate import simulate
from model.convert.trace import trace
from model.energy import AC_PJ, MAC_PJ
from model.errors import BadSetting
from tests.model.convert.nets import TOPOLOGIES, made

OPERATIONS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "conv": (lambda: nn.Conv2d(2, 3, 3, padding=1), (2, 5, 6)),
    "stride": (lambda: nn.Conv2d(2, 3, 3, 2, 1), (2, 6, 7)),
    "dilation": (lambda: nn.Conv2d(2, 3, 3, dilation=2, padding=2), (2, 7, 6)),
    "depthwise": (lambda: nn.Conv2d(3, 6, 3, 2, groups=3), (3, 6, 5)),
    "unread border": (lambda: nn.Conv2d(2, 2, 2, 3), (2, 6, 7)),
    "transposed": (lambda: nn.ConvTranspose2d(2, 4, 3, 2, 1), (2, 4, 3)),
    "transposed groups": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, groups=2), (4, 3, 3)),
    "1-d": (lambda: nn.Conv1d(2, 3, 3, 2), (2, 9)),
    "linear": (lambda: nn.Linear(7, 4), (7,)),
    "average": (lambda: nn.AvgPool2d(2), (2, 5, 6)),
    "overlapping": (lambda: nn.AvgPool2d(3, 2, 1), (2, 6, 6)),
    "rounded up": (lambda: nn.AvgPool2d(3, 2, ceil_mode=True), (1, 6, 6)),
    "adaptive": (lambda: nn.AdaptiveAvgPool2d((3, 2)), (2, 5, 7)),
    "global": (lambda: nn.AdaptiveAvgPool2d(1), (2, 4, 4)),
    "mean": (lambda: Mean((2, 3), keepdim=False), (2, 3, 4)),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_spike_costs_one_operation_for_each_output_it_reaches(operation: str) -> None:
    """One spike at each place in turn, through weights of 1: the outputs that change are reached."""
    make, shape = OPERATIONS[operation]
    op = make().double().requires_grad_(False)
    for parameter in op.parameters():
        parameter.fill_(1.0 if parameter.dim() > 1 else 0.0)
    spikes = torch.eye(int(np.prod(shape)), dtype=torch.float64).view(-1, *shape)
    reached = (op(spikes) != 0).flatten(1).sum(1).view(shape).double()
    node = trace(op, torch.rand(2, *shape, dtype=torch.float64)).nodes[0]
    given = tuple(op(spikes[:1]).shape[1:])
    found = fan_out(node, shape, given)
    assert found is not None
    assert torch.equal(found, reached)


def test_max_pools_sums_and_scales_cost_one_for_each_window_or_value() -> None:
    for op, read, given, expected in (
        (nn.MaxPool2d(2), (1, 4, 5), (1, 2, 2), torch.tensor([1.0, 1, 1, 1, 0]).expand(4, 5)),
        (nn.AdaptiveMaxPool2d(2), (1, 4, 4), (1, 2, 2), torch.ones(4, 4)),
        (Add(), (1, 2, 2), (1, 2, 2), torch.ones(2, 2)),
        (Scale(torch.ones(1), torch.ones(1)), (1, 2, 2), (1, 2, 2), torch.ones(2, 2)),
    ):
        network = trace(nn.Conv2d(1, 1, 1), torch.rand(2, 1, 4, 4))
        node = type(network.nodes[0])("op", op, (INPUT,))
        assert torch.equal(fan_out(node, read, given), expected.double().unsqueeze(0))


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_multiplications_of_the_ann_are_those_that_hooks_count(topology: str) -> None:
    net, x = made(topology)
    counted: dict[str, int] = {}

    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if isinstance(module, nn.Linear):
                each = module.in_features * output[0].numel()
            elif isinstance(module, nn.ConvTranspose2d):
                each = inputs[0][0].numel() * module.weight[0].numel()
            else:
                each = output[0].numel() * module.weight[0].numel()
            counted[name] = each

        return count

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    handles = [m.register_forward_hook(hook(n)) for n, m in net.named_modules() if isinstance(m, kinds)]
    net(x[:1])
    for handle in handles:
        handle.remove()
    graph = trace(net, x)
    found = {name: n for name, n in dense_macs(graph, (2, 8, 8)).items() if name in counted}
    assert found == counted


class Net(nn.Module):
    """Everything that is counted differently: stride, padding, depthwise, pools, joins, a head on spikes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 3, 3, padding=1)
        self.depthwise = nn.Conv2d(3, 3, 3, 2, 1, groups=3)
        self.average, self.maximum = nn.AvgPool2d(3, 2, 1), nn.MaxPool2d(2)
        self.mix, self.head = nn.Conv2d(9, 3, 3, 2, 1), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.stem(x))
        joined = torch.cat((torch.relu(self.depthwise(y)), self.average(y), self.maximum(y)), 1)
        z = torch.relu(self.mix(joined) + self.maximum(self.average(y)))
        out: Tensor = self.head(z.flatten(1))
        return out


def ready(method: Rueckauer | None = None) -> tuple[SpikingNetwork, Tensor]:
    torch.manual_seed(4)
    net, x = Net().double(), torch.rand(5, 2, 8, 8, dtype=torch.float64)
    return convert(net, [x], method or Rueckauer(initial=0.5)), x


def enumerated(network: SpikingNetwork, x: Tensor, steps: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Spikes by layer and operations by reader, by going through every event of every step."""
    kept: dict[str, list[Tensor]] = {}
    state = network.initial_state(len(x), tuple(x.shape[1:]))
    for _ in range(steps):
        state = network.step({INPUT: x}, state, lambda name, v: kept.setdefault(name, []).append(v))
    events = {name: (torch.stack(values) != 0).double() for name, values in kept.items()}
    spikes = {name: events[name].flatten(2).sum((0, 2)) for name in network.neurons}
    synops: dict[str, Tensor] = {}
    crossed = (
        ("depthwise", "stem.relu"),
        ("mix", "cat"),
        ("head", "flatten"),
        ("average", "stem.relu"),
        ("maximum", "stem.relu"),
        ("maximum@2", "average@2"),
        ("average@2", "stem.relu"),
        ("add", "maximum@2"),
    )
    for reader, source in crossed:
        source = "relu" if source == "stem.relu" else source
        op = network.graph.node(reader).op
        total = torch.zeros(len(x), dtype=torch.float64)
        for step in events[source]:
            for row in range(len(x)):
                for place in step[row].nonzero():
                    single = torch.zeros_like(step[:1])
                    single[(0, *place)] = 1
                    total[row] += _reached(op, single)
        synops[reader] = total
    return spikes, synops


def _reached(op: nn.Module, single: Tensor) -> float:
    if isinstance(op, Add):
        return 1.0
    if isinstance(op, nn.MaxPool2d):
        return float(op(single).sum())
    plain = type(op).__new__(type(op))
    plain.__dict__ = {**op.__dict__, "_parameters": {n: p and torch.ones_like(p) for n, p in ()}}
    if list(op.parameters()):
        plain._parameters = {"weight": torch.ones_like(op.weight), "bias": None}
    return float((plain(single) != 0).sum())


def test_counts_are_those_of_plain_enumeration() -> None:
    network, x = ready()
    cost = simulate(network, x, 4).last.cost
    spikes, synops = enumerated(network, x, 4)
    assert {name: n.tolist() for name, n in cost.spikes.items()} == {n: s.tolist() for n, s in spikes.items()}
    assert {name: n.tolist() for name, n in cost.synops.items()} == {n: s.tolist() for n, s in synops.items()}
    assert torch.equal(cost.total_synops, sum(synops.values(), torch.zeros(5, dtype=torch.float64)))
    assert cost.total_spikes.min() > 0
    assert cost.neurons == {"relu": 3 * 64, "relu_1": 3 * 16, "relu_2": 3 * 4}
    assert cost.updates == 4 * (192 + 48 + 12)
    assert all(torch.equal(rate, cost.spikes[n] / (4 * cost.neurons[n])) for n, rate in cost.rates.items())
    expected = AC_PJ * cost.total_synops + MAC_PJ * cost.total_macs
    torch.testing.assert_close(cost.energy_mj * 1e9, expected)


def test_a_constant_input_is_multiplied_once_and_a_changing_one_every_step() -> None:
    network, x = ready()
    stem = 3 * 64 * 2 * 9
    assert simulate(network, x, 7).last.cost.macs == {"stem": stem}
    bins = x.expand(3, *x.shape)
    assert simulate(network, bins, 7, code=EventStream(counts=False)).last.cost.macs == {"stem": 7 * stem}


def test_spikes_of_the_input_cost_operations() -> None:
    network, x = ready()
    code = Poisson(seed=2)
    cost = simulate(network, x, 3, code=code).last.cost
    assert not cost.macs
    weights = torch.ones(3, 2, 3, 3, dtype=torch.float64)
    reached = sum(
        nn.functional.conv2d((code.at(x, t) != 0).double(), weights, padding=1).flatten(1).sum(1)
        for t in range(3)
    )
    assert torch.equal(cost.synops["stem"], reached)
    events = torch.randint(0, 3, (2, *x.shape)).double()
    cost = simulate(network, events, 2, code=EventStream()).last.cost
    reached = nn.functional.conv2d(events.sum(0), weights, padding=1).flatten(1).sum(1)
    assert torch.equal(cost.synops["stem"], reached)


def test_what_reads_currents_multiplies_every_step_but_once_in_the_readout() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 3, 1), nn.ReLU(), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Conv2d(3, 3, 1), nn.Conv2d(3, 5, 1)).double()
    x = torch.rand(2, 2, 4, 4, dtype=torch.float64)
    cost = simulate(convert(net, [x], Rueckauer()), x, 10).last.cost
    assert cost.macs == {"0": 16 * 6, "3": 10 * 16 * 9, "6": 16 * 15}
    assert set(cost.synops) == {"2", "5"}


def test_readings_on_the_way_are_those_of_shorter_runs() -> None:
    network, x = ready()
    run = simulate(network, x, 9, read_at=[2, 5])
    assert sorted(run.readings) == [2, 5, 9]
    for steps, reading in run.readings.items():
        alone = simulate(network, x, steps).last
        assert torch.equal(reading.outputs[0], alone.outputs[0])
        assert reading.cost.steps == steps
        assert torch.equal(reading.cost.total_synops, alone.cost.total_synops)


def test_without_counting_there_is_no_cost() -> None:
    network, x = ready()
    with pytest.raises(BadSetting, match="count=True"):
        _ = simulate(network, x, 2, count=False).last.cost


def test_a_network_without_weights_multiplies_nothing() -> None:
    node = trace(nn.ReLU(), torch.rand(2, 3)).nodes[0]
    assert macs(node, (3,), (3,)) == 0
    assert fan_out(node, (3,), (3,)) is None
