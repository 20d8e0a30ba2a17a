"""Percentiles of activations (A3 of the specification)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.convert.graph import INPUT, Graph
from model.convert.ranges import percentiles
from model.convert.trace import trace
from model.errors import BadSetting
from tests.model.convert.nets import made


def quiet(what: str, share: float) -> None:
    pass


def activations(topology: str) -> tuple[Graph, list[Tensor], dict[str, Tensor]]:
    """A graph, calibration batches of unequal length, and what each node gives for all of them."""
    net, x = made(topology)
    graph = trace(net, x)
    names = [node.name for node in graph.of_kind("activation", "affine")]
    return graph, [x[:7], x[7:20], x[20:]], graph.run({INPUT: x}, names)


@pytest.mark.parametrize("percentile", [50, 99, 99.9, 100])
@pytest.mark.parametrize("topology", ["plain", "concat, then linear"])
def test_layers_are_as_numpy_has_them(topology: str, percentile: float) -> None:
    graph, batches, values = activations(topology)
    names = [node.name for node in graph.of_kind("activation", "affine")]
    found = percentiles(graph, batches, names, percentile, quiet)
    for name in names:
        nonzero = values[name].numpy().ravel()
        expected = np.percentile(nonzero[nonzero != 0], percentile)
        assert found[name].shape == ()
        if expected > 0:  # else a layer of weights that is below zero more often than not
            np.testing.assert_allclose(found[name].item(), expected, rtol=1e-6)


@pytest.mark.parametrize("percentile", [99, 99.9, 100])
@pytest.mark.parametrize("topology", ["plain", "concat, then linear"])
def test_channels_are_as_numpy_has_them(topology: str, percentile: float) -> None:
    graph, batches, values = activations(topology)
    names = [node.name for node in graph.of_kind("activation")]
    found = percentiles(graph, batches, names, percentile, quiet, channel_wise=True)
    for name in names:
        channels = values[name].transpose(0, 1).flatten(1).numpy()
        expected = [np.percentile(c[c != 0], percentile) for c in channels]
        assert found[name].shape == (len(channels), *(1,) * (values[name].dim() - 2))
        np.testing.assert_allclose(found[name].flatten(), expected, rtol=1e-6)


def test_negative_values_of_a_leaky_relu_count_as_large_as_they_are() -> None:
    graph, batches, values = activations("leaky")
    name = graph.of_kind("activation")[0].name
    expected = np.percentile(values[name].abs().numpy(), 99)
    np.testing.assert_allclose(percentiles(graph, batches, [name], 99, quiet)[name], expected, rtol=1e-6)


def dead(channels: tuple[int, ...]) -> tuple[Graph, Tensor]:
    """A layer of four channels, some of which never get above zero."""
    torch.manual_seed(0)
    layer = nn.Conv2d(1, 4, 1).double()
    layer.weight.data.fill_(1.0)
    layer.bias.data.zero_()
    layer.bias.data[list(channels)] = -9
    x = torch.rand(5, 1, 6, 6, dtype=torch.float64)
    return trace(nn.Sequential(layer, nn.ReLU()), x), x


def test_a_dead_layer_has_one() -> None:
    graph, x = dead((0, 1, 2, 3))
    for channel_wise in (False, True):
        assert percentiles(graph, [x], ["1"], 99.9, quiet, channel_wise=channel_wise)["1"].eq(1).all()


def test_a_dead_channel_has_that_of_its_layer() -> None:
    graph, x = dead((2,))
    found = percentiles(graph, [x], ["1"], 99, quiet, channel_wise=True)["1"].flatten()
    alive = np.percentile(np.repeat(x.numpy(), 3), 99)
    own = np.percentile(x.numpy(), 99)
    np.testing.assert_allclose(found, [own, own, alive, own], rtol=1e-6)


def test_one_number_is_its_own_percentile() -> None:
    x = torch.full((1, 1), 0.75, dtype=torch.float64)
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU()).double()
    net[0].weight.data.fill_(2.0)
    assert percentiles(trace(net, x), [x], ["1"], 99.9, quiet)["1"].item() == 1.5


def test_progress_is_told() -> None:
    graph, batches, _ = activations("plain")
    told: list[float] = []
    percentiles(graph, batches, ["2"], 99, lambda what, share: told.append(share))
    assert told == [pytest.approx(n / 3) for n in (1, 2, 3)]


@pytest.mark.parametrize("percentile", [0, -1, 100.1, float("nan")])
def test_percentiles_out_of_range_are_refused(percentile: float) -> None:
    graph, batches, _ = activations("plain")
    with pytest.raises(BadSetting, match="percentile"):
        percentiles(graph, batches, ["2"], percentile, quiet)
