"""Untrained weights with a card, small enough to measure in a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from model.card import Card
from model.layout import ann_twin, layout_to_yaml, named_layout
from model.networks import Network, build
from model.weights import save

GRID = (96, 64)
CLASSES = ("person", "car", "two-wheeler")


def network() -> Network:
    return build(named_layout("ems-nano", classes=3), height=GRID[1], width=GRID[0])


def tiny_card(name: str = "tiny", steps: int = 2) -> Card:
    return Card(
        name=name, layout="ems-nano", classes=CLASSES, in_channels=2, step_us=8_000, steps=steps, grid=GRID,
        encoding="log1p", threshold=0.3, iou=0.45,
    )  # fmt: skip


def tiny_weights(folder: Path, **changes: Any) -> Path:
    """Changes: fields of the card."""
    torch.manual_seed(0)
    return save(folder, network(), replace(tiny_card(), **changes)).weights


def twin_weights(folder: Path) -> Path:
    """ReLU in place of spiking neurons; two steps of 8 ms are one of 16."""
    layout = ann_twin(named_layout("ems-nano", classes=3))
    card = replace(tiny_card("twin"), layout=layout_to_yaml(layout), steps=1, step_us=16_000)
    return save(folder, build(layout, height=GRID[1], width=GRID[0]), card).weights
