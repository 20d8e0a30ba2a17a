"""Tracing: what becomes a graph, under which names, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.convert.graph import Graph
from model.convert.trace import trace
from model.convert.twin import Twin
from model.errors import BadCalibration, BadWeights, NotConvertible
from model.layout import ann_twin, named_layout
from model.networks import build


class Call(nn.Module):
    """One convolution, then whatever a test does with what it gives."""

    def __init__(self, function: Callable[..., object], *modules: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.inner = nn.ModuleList(modules)
        self.function = function

    def forward(self, x: Tensor) -> object:
        return self.function(self.conv(x), *self.inner)


def images(rows: int = 3, size: int = 8, channels: int = 2) -> Tensor:
    return torch.rand(
        rows, channels, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )


def traced(net: nn.Module, x: Tensor | None = None) -> Graph:
    """The graph, after checking that it gives what the network gives, for other rows and more of them too."""
    torch.manual_seed(0)
    x = images() if x is None else x
    graph = trace(net.double(), x)
    others = torch.rand(5, *x.shape[1:], dtype=x.dtype)
    expected = net.eval()(others)
    values = list(expected.values()) if isinstance(expected, dict) else expected
    values = [values] if isinstance(values, Tensor) else values
    for ours, theirs in zip(graph(others), values, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    return graph


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(lambda y: F.relu(y), id="relu"),
        pytest.param(lambda y: y.relu(), id="method"),
        pytest.param(lambda y: torch.relu_(y), id="in place"),
        pytest.param(lambda y: F.relu6(9 * y), id="relu6"),
        pytest.param(lambda y: F.leaky_relu(y, 0.1), id="leaky"),
        pytest.param(lambda y: F.leaky_relu(y, negative_slope=0.2), id="leaky by name"),
        pytest.param(lambda y: F.avg_pool2d(y, 3, 2, padding=1), id="average"),
        pytest.param(lambda y: F.adaptive_avg_pool2d(y, 3), id="adaptive"),
        pytest.param(lambda y: F.max_pool2d(y, 3, stride=2, padding=1), id="max"),
        pytest.param(lambda y: F.interpolate(y, scale_factor=2), id="upsample"),
        pytest.param(lambda y: F.interpolate(y, size=y.shape[2:]), id="upsample to a shape"),
        pytest.param(lambda y: y.mean((2, 3)), id="mean"),
        pytest.param(lambda y: y.mean(dim=[-2, -1], keepdim=True), id="mean keepdim"),
        pytest.param(lambda y: torch.flatten(y, 1), id="flatten"),
        pytest.param(lambda y: y.view(y.size(0), -1), id="view"),
        pytest.param(lambda y: y.reshape(y.shape[0], 2, -1), id="reshape"),
        pytest.param(lambda y: y.unflatten(1, (2, 2)).permute(0, 1, 3, 4, 2), id="head"),
        pytest.param(lambda y: torch.cat((y, 2 * y), dim=1), id="cat"),
        pytest.param(lambda y: torch.cat((y.chunk(2, 1)[::-1][0], y.chunk(2, 1)[0]), 1), id="chunk"),
        pytest.param(lambda y: torch.split(y, [1, 3], dim=1)[-1], id="split"),
        pytest.param(lambda y: y[:, 1:3], id="slice"),
        pytest.param(lambda y: F.pad(y, (1, 0, 2, 1)), id="pad"),
        pytest.param(lambda y: y + y, id="add"),
        pytest.param(lambda y: torch.add(y, y), id="torch.add"),
        pytest.param(lambda y: y.add_(1), id="add a number in place"),
        pytest.param(lambda y: sum([y, y, y]), id="sum"),
        pytest.param(lambda y: (y - 0.5) / 2 * 3 + 1, id="arithmetic"),
        pytest.param(lambda y: F.dropout(y, 0.5, training=False).contiguous(), id="dropout"),
        pytest.param(lambda y: F.pixel_shuffle(y, 2), id="pixel shuffle"),
        pytest.param(lambda y: F.softmax(y.flatten(1), dim=1), id="softmax"),
        pytest.param(lambda y: y.unsqueeze(1).squeeze(1).unsqueeze(3), id="unsqueeze"),
        pytest.param(lambda y: [y, {"b": torch.sigmoid(y)}["b"]], id="several outputs"),
        pytest.param(lambda y: {"a": y, "b": y.flatten(2)}, id="named outputs"),
    ],
)
def test_functions_are_followed(function: Callable[..., object]) -> None:
    traced(Call(function))


@pytest.mark.parametrize(
    "module",
    [
        nn.ReLU6(),
        nn.LeakyReLU(0.1),
        nn.AvgPool2d(2),
        nn.AdaptiveAvgPool2d((3, 2)),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.AdaptiveMaxPool2d(2),
        nn.Upsample(scale_factor=2),
        nn.UpsamplingNearest2d(scale_factor=2),
        nn.ConvTranspose2d(4, 6, 3, 2, groups=2),
        nn.Conv2d(4, 4, 3, groups=4, bias=False),
        nn.Conv2d(4, 4, 3, padding="same", dilation=2),
        nn.ZeroPad2d((1, 2, 3, 0)),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.Sequential(nn.Flatten(2), nn.Conv1d(4, 3, 5, stride=2), nn.BatchNorm1d(3), nn.AvgPool1d(3)),
        nn.Sequential(nn.Flatten(1), nn.Linear(256, 5), nn.BatchNorm1d(5), nn.LogSoftmax(1)),
        nn.Sequential(nn.Flatten(2), nn.Unflatten(2, (4, 4, 4)), nn.Conv3d(4, 2, 3), nn.BatchNorm3d(2)),
    ],
    ids=lambda module: type(module).__name__,
)
def test_modules_are_followed(module: nn.Module) -> None:
    traced(Call(lambda y, inner: inner(y), module))


def test_nodes_have_the_names_of_their_modules() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.act = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.act(self.act(self.norm(self.conv(x))) + x)
            return F.relu(y)

    graph = traced(nn.Sequential(Block(), nn.Dropout(), nn.Identity(), Block()))
    assert [(node.name, node.kind) for node in graph.nodes] == [
        ("0.conv", "affine"),
        ("0.act", "activation"),
        ("0.add", "add"),
        ("0.act@2", "activation"),
        ("0.relu", "activation"),
        ("3.conv", "affine"),
        ("3.act", "activation"),
        ("3.add_1", "add"),
        ("3.act@2", "activation"),
        ("3.relu_1", "activation"),
    ]
    assert graph.node("3.add_1").sources == ("3.act", "0.relu")
    assert graph.outputs == ("3.relu_1",)


def test_what_no_output_reads_is_dropped() -> None:
    graph = traced(Call(lambda y, used, unused: (used(y), unused(y))[0], nn.ReLU(), nn.Conv2d(4, 1, 1)))
    assert [node.name for node in graph.nodes] == ["conv", "inner.0"]


def test_a_relu_behind_a_max_pool_goes_before_it() -> None:
    graph = traced(Call(lambda y, pool, act: act(pool(y)), nn.MaxPool2d(2), nn.ReLU()))
    assert [node.kind for node in graph.nodes] == ["affine", "activation", "max_pool"]


def test_a_shared_layer_stands_twice() -> None:
    graph = traced(Call(lambda y, layer: layer(F.relu(layer(y))), nn.Conv2d(4, 4, 1)))
    assert [node.name for node in graph.nodes] == ["conv", "inner.0", "relu", "inner.0@2"]


@pytest.mark.parametrize("name", ["ems-nano", "ems-res10", "resnet10", "resnet34-cat"])
def test_the_twins_of_our_detectors_are_followed(name: str) -> None:
    layout = named_layout(name, classes=2)
    network = build(ann_twin(layout), height=64, width=64).double().eval()
    x = images(2, 64)
    graph = trace(Twin(network), x)
    assert {node.kind for node in graph.nodes} <= {"affine", "activation", "max_pool", "add", "route"}
    assert {"rows.1.0.neuron1", "detect.convs.0"} <= {node.name for node in graph.nodes}
    for ours, theirs in zip(graph(x), network(x.unsqueeze(0)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)


def test_a_network_that_spikes_already_is_refused() -> None:
    with pytest.raises(NotConvertible, match=r"'lif' neurons.*ANN twin"):
        Twin(build(named_layout("ems-nano", classes=2)))


class Gate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.squeeze = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.squeeze(x))


class Chooses(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Weighs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


@pytest.mark.parametrize(
    ("module", "named", "what"),
    [
        (nn.SiLU(), "inner.0", "SiLU"),
        (nn.GELU(), "inner.0", "GELU"),
        (nn.Hardswish(), "inner.0", "Hardswish"),
        (nn.GroupNorm(2, 4), "inner.0", "GroupNorm"),
        (nn.InstanceNorm2d(4), "inner.0", "InstanceNorm2d"),
        (nn.Softplus(), "inner.0", "Softplus"),
        (nn.LeakyReLU(-0.5), "inner.0", "slope -0.5"),
        (nn.Upsample(scale_factor=2, mode="bilinear"), "inner.0", "bilinear"),
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"), "inner.0", "circular"),
        (Gate(), "inner.0.mul", "gate or attention"),
        (nn.Sequential(nn.Sigmoid(), nn.Conv2d(4, 4, 1)), "inner.0.0", "not at the end"),
        (nn.BatchNorm2d(4, track_running_stats=False), "inner.0", "without running statistics"),
        (Chooses(), "inner.0", "must not decide by the data"),
        (Weighs(), "inner.0.mul", "cannot be made spiking"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_what_cannot_spike_is_refused_by_name(module: nn.Module, named: str, what: str) -> None:
    with pytest.raises(NotConvertible) as refused:
        trace(Call(lambda y, inner: inner(y), module).double(), images())
    assert f"'{named}'" in str(refused.value)
    assert what in str(refused.value)


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda y: F.silu(y), "silu"),
        (lambda y: y * torch.sigmoid(y), "mul"),
        (lambda y: y @ y.transpose(2, 3), "matmul"),
        (lambda y: F.scaled_dot_product_attention(y, y, y), "scaled_dot_product_attention"),
        (lambda y: y - y.mean((2, 3), keepdim=True), "sub"),
        (lambda y: 1 / y, "truediv"),
        (lambda y: y / float("inf"), "truediv"),
        (lambda y: F.max_pool2d(y, 2, return_indices=True)[0], "max_pool2d"),
        (lambda y: torch.cat(y.chunk(2, 1), 1), "several tensors"),
        (lambda y: F.pad(y, (1, 1), value=1.0), "pad"),
        (lambda y: torch.add(y, y, alpha=2), "add"),
        (lambda y: y.exp(), "exp"),
        (lambda y: y.mean(), "keep the batch"),
        (lambda y: y.flatten(0, 1), "keep the batch"),
        (lambda y: (y, 3), "must return tensors"),
    ],
)
def test_functions_that_cannot_spike_are_refused_by_name(function: Callable[..., object], what: str) -> None:
    with pytest.raises(NotConvertible, match=what):
        trace(Call(function).double(), images())


@pytest.mark.parametrize("name", ["conv.weight", "inner.0.running_var"])
def test_weights_that_are_not_finite_are_refused_by_name(name: str) -> None:
    net = Call(lambda y, norm: norm(y), nn.BatchNorm2d(4))
    net.state_dict()[name].view(-1)[0] = float("nan")
    with pytest.raises(BadWeights, match=name):
        trace(net.double(), images())


@pytest.mark.parametrize("example", [torch.rand(3), torch.rand(0, 2, 8, 8), torch.rand(2, 5, 8, 8)])
def test_examples_of_another_shape_are_refused(example: Tensor) -> None:
    with pytest.raises(BadCalibration):
        trace(Call(F.relu), example)


def test_the_network_stays_as_it_is() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.ReLU()).double().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    trace(net, images())
    assert net.training
    assert all(p.requires_grad for p in net.parameters())
    assert all(bool((net.state_dict()[name] == value).all()) for name, value in before.items())
