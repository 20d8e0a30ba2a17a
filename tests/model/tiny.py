"""A network of the shipped kind, small enough to test with, and inputs on which no rounding matters."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from model.card import Card, find, load_card
from model.encodings import encode
from model.engines.cache import graph_path, keep
from model.engines.export import export
from model.networks import Network, build
from model.neurons import LIF
from model.weights import load, save

CLASSES = ("person", "car", "two-wheeler")
GRID = (96, 64)
STEPS = 5
SAFE = 2e-5
"""No membrane comes closer to the threshold than this, so float32 fires the same in any order of summing."""

_graphs: dict[str, bytes] = {}


def tiny_yaml(classes: int = 3, channels: int = 2, width: int = 8) -> dict[str, Any]:
    block, member = "ConcatBlock_ms", "BasicBlock_ms"
    return {
        "nc": classes,
        "ch": channels,
        "depth_multiple": 1.0,
        "width_multiple": 1.0,
        "anchors": [[9, 22, 19, 46, 34, 24], [37, 92, 82, 56, 78, 150]],
        "backbone": [
            [-1, 1, "Conv_2", [width, 3, 2]],
            *[[-1, 1, block, [width * n, 3, 2]] for n in (2, 3, 4, 5)],
        ],
        "head": [
            [-1, 1, member, [width * 3, 3, 1]],
            [-1, 1, block, [width * 5, 3, 1]],
            [-2, 1, member, [width, 1, 1]],
            [-1, 1, "Sample", ["None", 2, "nearest"]],
            [[-1, 3], 1, "Concat", [2]],
            [-1, 1, member, [width * 2, 3, 1]],
            [[10, 6], 1, "Detect", ["nc", "anchors"]],
        ],
    }


def tiny_card(name: str = "tiny", **changes: Any) -> Card:
    values: dict[str, Any] = {
        "name": name,
        "layout": tiny_yaml(),
        "classes": CLASSES,
        "in_channels": 2,
        "step_us": 8_000,
        "steps": STEPS,
        "grid": GRID,
        "encoding": "log1p",
        "threshold": 0.3,
        "iou": 0.5,
    }
    return Card(**values | changes)


def random_counts(seed: int, batch: int = 1, steps: int = STEPS, grid: tuple[int, int] = GRID) -> np.ndarray:
    """(B, T, 2, H, W) uint16, sparse as events are."""
    rng = np.random.default_rng(seed)
    return rng.poisson(0.3, (batch, steps, 2, grid[1], grid[0])).astype(np.uint16)


def random_network(card: Card, seed: int = 0) -> Network:
    """A network whose norms were calibrated on random counts, so that every layer fires."""
    torch.manual_seed(seed)
    network = build(card.network_layout())
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            module.weight.data.uniform_(0.5, 1.0)
    counts = torch.from_numpy(random_counts(seed + 1000, batch=4, grid=card.grid)).transpose(0, 1)
    with torch.no_grad():
        network.train()(encode(counts, card.encoding))
    return network.eval()


def write_tiny(folder: Path, card: Card | None = None, seed: int = 0) -> Path:
    """Weights and card in a folder; gives the card's path."""
    card = card or tiny_card()
    return save(folder, random_network(card, seed), card).card


def keep_step_graph(path: Path) -> Path:
    """Put the step graph of weights into the cache from this process, which has torch loaded anyway.

    The name of a graph says what is in it, so equal ones are exported once.
    """
    card, files = load_card(path), find(path)
    target = graph_path(card, files, "step")
    if target.name not in _graphs:
        _graphs[target.name] = export(load(path), card)
    keep(_graphs[target.name], target)
    return path


def safe_counts(network: Network, card: Card, batch: int = 1, steps: int = STEPS) -> np.ndarray:
    """Rows of counts on which no membrane comes near the threshold."""
    double = Network(network.layout).double().eval()
    double.load_state_dict(network.state_dict())
    rows: list[np.ndarray] = []
    for seed in range(500):
        counts = random_counts(seed, 1, steps, card.grid)
        if (
            margin(double, encode(torch.from_numpy(counts).transpose(0, 1), card.encoding, torch.float64))
            > SAFE
        ):
            rows.append(counts)
        if len(rows) == batch:
            return np.concatenate(rows)
    raise AssertionError(f"only {len(rows)} of 500 seeds keep {SAFE} from the threshold")


@torch.no_grad()
def margin(network: Network, x: Tensor) -> float:
    """Least distance of any membrane from the threshold over a window."""
    least = [torch.inf]
    step = LIF.step

    def watched(self: LIF, current: Tensor, membrane: Tensor) -> tuple[Tensor, Tensor]:
        u = current + membrane
        least.append(float(_distance(self, u).abs().min()))
        return step(self, current, membrane)

    with mock.patch.object(LIF, "step", watched):
        network.window(x)
    return min(least)


def _distance(neuron: LIF, u: Tensor) -> Tensor:
    """Of membranes from the nearest value at which the number of spikes changes."""
    levels = neuron.settings.levels
    if levels == 1:
        return u - neuron.threshold
    quantum = 2 * neuron.settings.threshold
    return u - quantum * ((u / quantum - 0.5).round().clamp(0, levels - 1) + 0.5)
