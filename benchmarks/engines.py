"""Engines: what a new answer costs, one core; the stateful ONNX step against whole windows in torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from model.card import Card
from model.detector import Detector
from model.encodings import encode
from model.layout import named_layout
from model.networks import build
from model.weights import load, save

NETWORKS = {"ems-nano": (256, 192), "ems-res10": (320, 320)}
ROUNDS = 9
TARGET = "8 x"


def run(console: Console, *, rounds: int = ROUNDS) -> None:
    """Prints medians of rounds taken in turns, so that other load meets all alike; see docs/benchmarks.md."""
    torch.set_num_threads(1)
    columns = ("torch eager window", "torch fused window", "ONNX window", "ONNX step", "eager / step")
    table = Table("network", *columns, "target", title="CPU ms, one thread, T = 5, batch 1")
    with TemporaryDirectory() as folder:
        for name, grid in NETWORKS.items():
            times = _times(_weights(Path(folder), name, grid), rounds)
            eager, step = times[0], times[-1]
            table.add_row(name, *(f"{ms:.1f}" for ms in times), f"{eager / step:.1f} x", TARGET)
    console.print(table)


def _weights(folder: Path, name: str, grid: tuple[int, int]) -> Path:
    """Untrained weights whose norms fit the input, so that neurons fire about as trained ones do."""
    torch.manual_seed(0)
    card = Card(
        name=name, layout=name, classes=("person", "car", "two-wheeler"), in_channels=2, step_us=8_000,
        steps=5, grid=grid, encoding="log1p", threshold=0.3, iou=0.45,
    )  # fmt: skip
    network = build(named_layout(name, classes=3), height=grid[1], width=grid[0])
    with torch.no_grad():
        for _ in range(20):
            network(_input(grid, 4))
    return save(folder, network.eval(), card).card


def _times(card_path: Path, rounds: int) -> list[float]:
    """Median CPU ms of: eager window, fused torch window, ONNX window, ONNX step."""
    network = load(card_path).eval()
    fused, onnx = Detector.load(card_path, engine="torch"), Detector.load(card_path)
    width, height = onnx.card.grid
    counts = _counts((width, height), 1)
    x = _input((width, height), 1)
    state = onnx.initial_state(1)
    calls: list[Callable[[], object]] = [
        lambda: _eager(network, x),
        lambda: fused.window(counts),
        lambda: onnx.window(counts),
        lambda: onnx.step(counts[:, 0], state),
    ]
    return [float(ms) for ms in np.median([[_ms(call) for call in calls] for _ in range(rounds)], axis=0)]


@torch.inference_mode()
def _eager(network: torch.nn.Module, x: torch.Tensor) -> object:
    return network(x)


def _counts(grid: tuple[int, int], batch: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    rng = np.random.default_rng(0)
    return rng.poisson(0.1, (batch, 5, 2, grid[1], grid[0])).astype(np.uint16)


def _input(grid: tuple[int, int], batch: int) -> torch.Tensor:
    """(T, B, 2, H, W) encoded counts."""
    return encode(torch.from_numpy(_counts(grid, batch).astype(np.int32)).transpose(0, 1), "log1p")


def _ms(call: Callable[[], object]) -> float:
    begin = time.process_time()
    call()
    return (time.process_time() - begin) * 1e3
