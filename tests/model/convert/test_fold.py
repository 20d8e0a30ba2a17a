"""Folding of norms (A1 of the specification)."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from model.convert.fold import fold
from model.convert.trace import trace

EPSILON = 1e-3

LAYERS = {
    "conv": (lambda bias: nn.Conv2d(4, 6, 3, 2, 1, bias=bias), nn.BatchNorm2d, 6),
    "depthwise": (lambda bias: nn.Conv2d(4, 8, 3, groups=4, bias=bias), nn.BatchNorm2d, 8),
    "transposed": (lambda bias: nn.ConvTranspose2d(4, 6, 3, 2, 1, bias=bias), nn.BatchNorm2d, 6),
    "transposed groups": (
        lambda bias: nn.ConvTranspose2d(4, 6, 3, groups=2, bias=bias),
        nn.BatchNorm2d,
        6,
    ),
    "linear": (lambda bias: nn.Linear(4, 5, bias=bias), nn.BatchNorm1d, 5),
}


def pair(kind: str, *, bias: bool, affine: bool) -> tuple[nn.Module, nn.Module, Tensor]:
    """A layer, a norm with an epsilon of its own and tiny variances, and an input."""
    torch.manual_seed(3)
    make, norm_type, channels = LAYERS[kind]
    norm = norm_type(channels, eps=EPSILON, affine=affine)
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.fill_(1e-4)
    norm.running_var[0] = 2.0
    if affine:
        nn.init.uniform_(norm.weight, -2, 2)
        nn.init.uniform_(norm.bias, -1, 1)
    x = torch.rand(3, 4) if kind == "linear" else torch.rand(3, 4, 7, 7)
    return make(bias).double().eval(), norm.double().eval(), x.double()


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_folded_is_unfolded(kind: str, bias: bool, affine: bool) -> None:
    layer, norm, x = pair(kind, bias=bias, affine=affine)
    expected = norm(layer(x))
    error = (fold(layer, norm)(x) - expected).abs().max()
    assert error <= 1e-5 * expected.abs().max()
    graph = trace(nn.Sequential(layer, norm), x)
    assert [node.name for node in graph.nodes] == ["0"]
    torch.testing.assert_close(graph(x)[0], expected)


def test_another_epsilon_would_be_seen() -> None:
    layer, norm, x = pair("conv", bias=True, affine=True)
    wrong = copy.deepcopy(norm)
    wrong.eps = 1e-5
    expected = norm(layer(x))
    assert (fold(layer, wrong)(x) - expected).abs().max() > 1e-2 * expected.abs().max()


class Residual(nn.Module):
    """Norms that no layer can take in: behind a sum, a concatenation, a layer that others read."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.first, self.second, self.third = nn.BatchNorm2d(3), nn.BatchNorm2d(3), nn.BatchNorm2d(6)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        z = self.second(torch.relu(self.first(y)) + y)
        joined: Tensor = self.third(torch.cat((z, y), 1))
        return joined


def test_norms_that_follow_no_layer_scale_each_channel() -> None:
    torch.manual_seed(0)
    net, x = Residual().double(), torch.rand(8, 3, 5, 5).double()
    for norm in (net.first, net.second, net.third):
        norm.momentum = 1.0
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.uniform_(norm.bias, -1, 1)
    net.train()(x)
    graph = trace(net, x)
    assert [node.name for node in graph.of_kind("affine")] == ["conv", "first", "second", "third"]
    torch.testing.assert_close(graph(x)[0], net.eval()(x))
