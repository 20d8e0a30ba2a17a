"""Thresholds of SNN Calibration (A7 of the specification)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.convert.graph import INPUT, Graph
from model.convert.thresholds import CANDIDATES, ThresholdSettings, least_error, thresholds
from model.convert.trace import trace
from model.errors import BadSetting
from tests.model.convert.nets import made

STEPS = (1, 2, 8, 32, 256)


def found(
    graph: Graph, batches: list[Tensor], steps: int = 8, settings: ThresholdSettings | None = None
) -> dict[str, Tensor]:
    names = [node.name for node in graph.of_kind("activation")]
    return thresholds(graph, batches, names, steps, settings or ThresholdSettings(), lambda *_: None)


def by_trying(values: Tensor, steps: int) -> float:
    """The candidate with the least squared error, each tried on all values."""
    candidates = values.max() * (1 - torch.arange(CANDIDATES, dtype=values.dtype) / 100)
    levels = [(values * steps / theta).floor().clamp(0, steps) * theta / steps for theta in candidates]
    errors = torch.stack([(values - level).square().sum() for level in levels])
    return float(candidates[errors.argmin()])


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("topology", ["plain", "residual", "leaky"])
def test_mmse_is_the_best_of_the_grid(topology: str, steps: int) -> None:
    net, x = made(topology)
    graph = trace(net, x)
    for name, theta in found(graph, [x], steps).items():
        values = graph.run({INPUT: x}, [name])[name].abs()
        assert theta.shape == ()
        assert theta.item() == pytest.approx(by_trying(values, steps), rel=1e-12)


@pytest.mark.parametrize("steps", [2, 16])
def test_channels_have_the_best_of_their_own(steps: int) -> None:
    net, x = made("concat, then linear")
    graph = trace(net, x)
    for name, theta in found(graph, [x], steps, ThresholdSettings(channel_wise=True)).items():
        values = graph.run({INPUT: x}, [name])[name]
        assert theta.shape == (values.shape[1], *(1,) * (values.dim() - 2))
        for channel, one in zip(values.unbind(1), theta.flatten(), strict=True):
            if channel.max() > 0:
                assert one.item() == pytest.approx(by_trying(channel, steps), rel=1e-12)


def test_more_steps_afford_a_higher_threshold() -> None:
    values = torch.rand(1, 10_000, generator=torch.Generator().manual_seed(0)).pow(4).sort().values
    found = [least_error(values, steps).item() for steps in STEPS]
    assert found == sorted(found)
    assert found[0] < 0.9 * found[-1]


@pytest.mark.parametrize(
    ("momentum", "expected"),
    [
        (0.1, 0.9 * (0.9 * 4.0 + 0.1 * 8.0) + 0.1 * 2.0),
        (0.5, 0.5 * (0.5 * 4.0 + 0.5 * 8.0) + 1.0),
        (None, 8.0),
    ],
)
def test_batches_are_averaged_as_they_come(momentum: float | None, expected: float) -> None:
    batches = [torch.tensor([[high, 1.0]]).double() for high in (4.0, 8.0, 2.0)]
    settings = ThresholdSettings("max", momentum=momentum)
    (theta,) = found(trace(nn.ReLU(), batches[0]), batches, settings=settings).values()
    assert theta.item() == pytest.approx(expected)


@pytest.mark.parametrize("percentile", [50.0, 99.0, 99.9, 100.0])
def test_percentiles_are_of_what_is_not_zero(percentile: float) -> None:
    net, x = made("plain")
    graph = trace(net, x)
    for name, theta in found(graph, [x], settings=ThresholdSettings("percentile", percentile)).items():
        values = graph.run({INPUT: x}, [name])[name].numpy().ravel()
        assert theta.item() == pytest.approx(np.percentile(values[values > 0], percentile), rel=1e-6)


@pytest.mark.parametrize("rule", ["mmse", "max", "percentile"])
def test_what_never_fires_has_a_threshold_that_does_no_harm(rule: Any) -> None:
    """A dead channel takes its layer's; a batch in which one is silent says nothing of it."""
    dead, once, always = -torch.ones(8), torch.cat((torch.zeros(4), torch.full((4,), 3.0))), torch.ones(8)
    x = torch.stack((dead, once, always), 1).double()
    batches = [x[:4], x[4:]]
    graph = trace(nn.ReLU(), x)
    settings = ThresholdSettings(rule, channel_wise=True, momentum=None)
    (by_channel,) = found(graph, batches, 1, settings).values()
    (layer,) = found(graph, batches, 1, ThresholdSettings(rule, momentum=None)).values()
    assert by_channel[0] == layer
    assert by_channel[1].item() == pytest.approx(found(graph, [x[4:]], 1, settings).popitem()[1][1].item())
    (silent,) = found(graph, [-x.abs()], 1, settings).values()
    assert silent.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "median"}, "'median'.*mmse, max, percentile"),
        ({"percentile": 0.0}, "percentile is 0.0"),
        ({"percentile": 101.0}, "percentile is 101.0"),
        ({"momentum": 0.0}, "momentum is 0.0"),
        ({"momentum": 2.0}, "momentum is 2.0"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        ThresholdSettings(**settings)
