"""The published networks, number by number: float64, spike counts equal, boxes equal to 1e-9."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.layout import Layout, layout_from_yaml
from model.networks import Network, build
from model.official import official_keys, official_neurons
from model.sites import sites

pytestmark = pytest.mark.shared
GRID = 320


@pytest.fixture(scope="module", params=["res10-ee", "resnet34-cat"])
def golden(
    request: pytest.FixtureRequest, shared: Path
) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    meta = json.loads((shared / "golden" / "meta.json").read_text())[request.param]
    return meta, dict(np.load(shared / "golden" / f"{request.param}.npz"))


def ruled_value(key: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The value that the golden folder's rule gives to one tensor of an official state dict."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith("running_var"):
        return 0.5 + rng.random(shape)
    if key.endswith(("running_mean", "bias")):
        return 0.1 * rng.standard_normal(shape)
    if ".bn." in key:
        return 0.5 + 0.5 * rng.random(shape)
    fan_in = float(np.prod(shape[1:]))
    return rng.standard_normal(shape) * math.sqrt(2 / fan_in)


def ruled_network(layout: Layout) -> Network:
    """A float64 network in evaluation mode, its weights given by their official names."""
    network = build(layout).double().eval()
    keys = official_keys(network)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(ruled_value(keys[name], tuple(tensor.shape))))
    return network


def golden_input() -> Tensor:
    rng = np.random.default_rng(0)
    x = rng.choice([0.0, 0.5, 1.0], size=(1, 5, 3, GRID, GRID), p=[0.1, 0.8, 0.1])
    return torch.from_numpy(x).transpose(0, 1).contiguous()


def decode(maps: tuple[Tensor, ...], layout: Layout) -> NDArray[np.float64]:
    """Rows x, y, w, h, scores: xy = (2 sigmoid - 0.5 + cell) * stride, wh = (2 sigmoid)^2 * anchor."""
    rows = []
    for raw, stride, anchors in zip(maps, layout.strides, layout.anchors, strict=True):
        y = torch.sigmoid(raw)
        cell_y, cell_x = torch.meshgrid(*(torch.arange(n) for n in raw.shape[2:4]), indexing="ij")
        xy = (2 * y[..., :2] - 0.5 + torch.stack((cell_x, cell_y), dim=-1)) * stride
        wh = (2 * y[..., 2:4]) ** 2 * torch.tensor(anchors, dtype=raw.dtype)[:, None, None]
        rows.append(torch.cat((xy, wh, y[..., 4:]), dim=-1).flatten(1, 3))
    return torch.cat(rows, dim=1).numpy()


def test_golden_outputs_and_spikes(
    golden: tuple[dict[str, Any], dict[str, NDArray[np.float64]]],
) -> None:
    meta, arrays = golden
    layout = layout_from_yaml(meta["yaml"])
    network = ruled_network(layout)
    assert sum(p.numel() for p in network.parameters()) == meta["parameters"]
    x = golden_input()
    with torch.inference_mode():
        membranes, spikes, sums = network.initial_state(1, GRID, GRID, dtype=torch.float64), [], []
        for now in x:
            features, membranes, activity = network.step(now, membranes)
            spikes.append(activity[0, :, 0])
            sums.append(features)
        maps = network.head(tuple(sum(level) / len(x) for level in zip(*sums, strict=True)))
    assert spikes_by_official_name(layout, torch.stack(spikes)) == meta["spikes"]
    assert np.abs(maps[0].numpy() - arrays["p4"]).max() < 1e-9
    assert np.abs(maps[1].numpy() - arrays["p5"]).max() < 1e-9
    assert np.abs(decode(maps, layout) - arrays["decoded"]).max() < 1e-9


def spikes_by_official_name(layout: Layout, spikes: Tensor) -> dict[str, list[int]]:
    """Spike counts (T, L) as the published layers count them."""
    layers = [site.name for site in sites(layout, GRID, GRID).neurons if site.spiking]
    names = official_neurons(layout, layers)
    return {
        official: [int(n) for n in spikes[:, index]]
        for index, layer in enumerate(layers)
        for official in names[layer]
    }
