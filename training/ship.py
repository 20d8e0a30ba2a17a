"""Weights with their card, as `model.weights` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from model.card import Card
from model.layout import LAYOUTS, Layout, layout_to_yaml, named_layout
from model.networks import Network
from model.weights import save
from training.checkpoint import Progress
from training.command import command
from training.data import TrainingData
from training.measure import RUN_IOU, Report
from training.settings import TrainSettings

GOOD_FOR = (
    "people, cars and two-wheelers in 40 ms of events of a still or moving camera, best at 20 to "
    "150 cells of height on the grid; a first model, made to be replaced by longer training"
)
NOT_GOOD_FOR = (
    "anything where a missed or false box does harm; it has seen simulated scenes only: crowds, sitting "
    "people, children, rain, other classes and very small or cut objects are found poorly, and its scores "
    "are calibrated on simulated scenes, not on yours"
)


def ship(
    settings: TrainSettings,
    layout: Layout,
    network: Network,
    report: Report,
    data: TrainingData,
    progress: Progress,
) -> Path:
    """Write OUT/weights/NAME.safetensors and NAME.json; returns the path of the weights."""
    steps = 1 if layout.activation == "relu" else settings.window_steps  # the twin reads a window as one
    card = Card(
        name=settings.name,
        layout=_named(layout) or layout_to_yaml(layout),
        classes=data.classes,
        in_channels=layout.in_channels,
        step_us=settings.step_us * settings.window_steps // steps,
        steps=steps,
        grid=settings.grid,
        encoding=settings.recipe.encoding,
        threshold=report.operating.threshold,
        iou=RUN_IOU,
        training=_training(settings, data, progress),
        metrics={"on": "held-out simulated windows", **report.to_json()},
        licence="Apache-2.0",
        good_for=GOOD_FOR,
        not_good_for=NOT_GOOD_FOR,
    )
    return save(settings.out / "weights", network, card).weights


def _named(layout: Layout) -> str | None:
    """The layout's name where the name alone says what it is."""
    if layout.name not in LAYOUTS:
        return None
    plain = named_layout(layout.name, classes=layout.classes, in_channels=layout.in_channels)
    return layout.name if plain == layout else None


def _training(settings: TrainSettings, data: TrainingData, progress: Progress) -> dict[str, Any]:
    return {
        "command": command(settings),
        "seed": settings.seed,
        "steps": progress.step,
        "views": progress.views,
        "minutes": round(progress.spent_s / 60, 1),
        "torch": torch.__version__,
        "warnings": sorted(progress.warnings.values()),
        **data.describe(),
    }
