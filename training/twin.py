"""`compare`: weights beside their conventional twin, on the same windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model.card import Card
from training.errors import BadTraining
from training.measure import Report


@dataclass(frozen=True, slots=True)
class TwinScores:
    """The twin's figures, and how much less energy the spiking network takes.

    Attributes:
        name: of the twin's weights.
        windows: how many both were measured on.
        map50, map50_95: of the twin. spiking_map50: of the spiking network.
        ap50: of the twin, by class.
        energy_mj: of the twin, a window: all its multiply-accumulates.
        spiking_energy_mj: of the spiking network.
        ratio: the twin's energy over the spiking network's.
        views, spiking_views: windows that the twin and the spiking network saw in training, in all runs.
    """

    name: str
    windows: int
    map50: float
    map50_95: float
    spiking_map50: float
    ap50: dict[str, float]
    energy_mj: float
    spiking_energy_mj: float
    ratio: float
    views: int
    spiking_views: int


def check_twin(card: Card, twin: Card) -> None:
    """Refuse what is no twin.

    Raises:
        BadTraining: it spikes, or has other classes, another grid or another window.
    """
    if twin.network_layout().activation != "relu":
        raise BadTraining(f"{twin.name} is a spiking network; a twin has ReLU: train it with its own recipe")
    for name, ours, theirs in (
        ("classes", card.classes, twin.classes),
        ("grid", card.grid, twin.grid),
        ("window (us)", card.steps * card.step_us, twin.steps * twin.step_us),
    ):
        if ours != theirs:
            raise BadTraining(f"{twin.name} has {name} {theirs}; {card.name} has {ours}: train both alike")


def compare(card: Card, twin: Card, ours: Report, theirs: Report) -> TwinScores:
    """Reports of both on the same windows, side by side."""
    return TwinScores(
        name=twin.name,
        windows=theirs.windows,
        map50=theirs.scores.map50,
        map50_95=theirs.scores.map50_95,
        spiking_map50=ours.scores.map50,
        ap50=theirs.scores.ap50,
        energy_mj=theirs.activity.energy_mj,
        spiking_energy_mj=ours.activity.energy_mj,
        ratio=theirs.activity.energy_mj / ours.activity.energy_mj,
        views=views_of(twin.training),
        spiking_views=views_of(card.training),
    )


def views_of(training: Mapping[str, Any]) -> int:
    """Windows that weights were trained on, by what their card says of them and of those they began from."""
    before = training.get("started_from")
    return int(training.get("views", 0)) + (views_of(before) if before else 0)
