"""Weights with their card, as `model.weights` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from model.card import Card, find, load_card
from model.layout import LAYOUTS, Layout, layout_to_yaml, named_layout
from model.networks import Network
from model.weights import save
from training.checkpoint import Progress
from training.command import command
from training.data import TrainingData
from training.data_accuracy import data_block, data_name
from training.datasets.simulated import HELD_OUT_NAME
from training.datasets.spec import is_simulated
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

NOT_GOOD_FOR_OTHERS = (
    "anything where a missed or false box does harm; cameras, places, light and step lengths other than "
    "those of its training data were not tried"
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
        mode="rolling" if settings.lead_steps else "window",
        threshold=report.operating.threshold,
        iou=RUN_IOU,
        training=_training(settings, data, progress),
        metrics=_metrics(settings, data, report),
        licence="Apache-2.0",
        good_for=GOOD_FOR if is_simulated(settings.data) else _good_for(data),
        not_good_for=NOT_GOOD_FOR if is_simulated(settings.data) else NOT_GOOD_FOR_OTHERS,
    )
    return save(settings.out / "weights", network, card).weights


def _metrics(settings: TrainSettings, data: TrainingData, report: Report) -> dict[str, Any]:
    """The accuracy; that on a data set is a block of the data set's name."""
    if is_simulated(settings.data):
        return {"on": HELD_OUT_NAME, **report.to_json()}
    block = data_block(settings.data, data, data.classes, report)
    return {"data_sets": {data_name(settings.data, data.split): block}}


def _good_for(data: TrainingData) -> str:
    return f"{', '.join(data.classes)} as in what it was trained on: {data.describe()['data']}"


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
        **_ancestor(settings.init),
        **data.describe(),
    }


def _ancestor(init: str | None) -> dict[str, Any]:
    """What the card of the first weights says of how they came about."""
    if init is None:
        return {}
    card = load_card(init)
    kept = ("command", "views", "minutes", "history", "started_from")
    said = {key: card.training[key] for key in kept if key in card.training}
    return {"started_from": {"weights": find(init).digest()[:12], **said}}
