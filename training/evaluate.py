"""`evaluate`: every figure of a card, part by part, on simulated scenes that no training sees.

Each part makes one block of the card's metrics: one command regenerates it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from model.card import Card, find, load_card
from model.detector import Detector, EngineName
from model.weights import load, load_runnable
from training.conditions import measure_conditions
from training.data_accuracy import DataAccuracy, measure_data
from training.datasets import BoxRule, LabelledWindow, Split
from training.datasets.scenes import SceneSettings
from training.datasets.simulated import HELD_OUT_NAME, SimulatedData
from training.errors import BadTraining
from training.latency import measure_latency
from training.measure import OnProgress, Report, json_values, measure
from training.streaming_accuracy import StreamingSettings, measure_streaming
from training.tracking_accuracy import CROWDED, measure_tracking
from training.twin import check_twin, compare

Part = Literal["accuracy", "conditions", "streaming", "tracking", "latency", "twin", "data"]


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """How much is measured.

    Attributes:
        windows: held-out windows of the accuracy, of the twin and of the data; simulated ones are kept.
        condition_windows: windows of each condition.
        streaming: streets of the streaming accuracy.
        tracking: streets on which ids are followed.
        beside: weights to watch the same streets with, by name or path of a card.
        rule: which boxes count in the accuracy; all by default.
        twin: card or weights of the conventional twin, for its part.
        data: a data set, as `training.datasets.spec` reads it, for its part.
        split: which of its recordings.
        engine: what runs the steps of streaming, tracking and latency.
        cache: folder of the held-out windows; windows of data sets lie in a folder beside it.
    """

    windows: int = 1000
    condition_windows: int = 160
    streaming: StreamingSettings = field(default_factory=StreamingSettings)
    tracking: StreamingSettings = field(default_factory=partial(StreamingSettings, scene=CROWDED))
    beside: str | None = None
    rule: BoxRule | None = None
    twin: str | Path | None = None
    data: str | None = None
    split: Split = "val"
    engine: EngineName = "onnx"
    cache: Path = Path("runs/held-out")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured.

    Attributes:
        card: of the weights; where the accuracy was measured, with the default threshold that follows.
        metrics: blocks for the card, JSON values.
        report: the accuracy with its curves, or that on the data; None where neither was asked for.
    """

    card: Card
    metrics: dict[str, Any]
    report: Report | None = None


def evaluate(
    model: str | Path = "ems-nano",
    parts: Sequence[Part] = ("accuracy",),
    settings: EvaluationSettings | None = None,
    on_progress: Callable[[Part, int, int], None] | None = None,
) -> Evaluation:
    """Measure weights.

    Conditions are measured at the threshold that follows from the accuracy where that is asked for too, else
    at the card's.

    Args:
        model: name of the zoo, or path of weights with their card.
        parts: what to measure.
        settings: how much.
        on_progress: told the part, and how much of it is done, of how much.

    Raises:
        UnknownModel, BadWeights: see `model.weights.load`.
        BadDataset: the data set is bad.
        BadTraining: the weights read no events or have other classes than the simulator, or the twin is none;
            or they have no class of the data.
    """
    card, settings = load_card(model), settings or EvaluationSettings()
    if set(parts) != {"data"}:
        _check(card)
    told = {part: partial(on_progress, part) if on_progress else None for part in parts}
    report: Report | None = None
    metrics: dict[str, Any] = {}
    if "accuracy" in parts:
        report = _accuracy(model, card, settings, told["accuracy"])
        card = replace(card, threshold=report.operating.threshold)
        metrics |= {"on": HELD_OUT_NAME, **report.to_json()}
    if "twin" in parts:
        metrics["twin"] = _twin(model, card, settings, report, told["twin"])
    if "conditions" in parts:
        network = load_runnable(model)
        scores = measure_conditions(network, card, settings.condition_windows, told["conditions"])
        metrics["conditions"] = [json_values(asdict(each)) for each in scores]
    if "streaming" in parts:
        streaming = measure_streaming(_detector(model, settings), settings.streaming, told["streaming"])
        metrics["streaming"] = json_values(asdict(streaming))
        if settings.beside is not None:
            metrics["streaming_beside"] = _beside(settings.beside, settings, told["streaming"])
    if "tracking" in parts:
        tracking = measure_tracking(_detector(model, settings), settings.tracking, told["tracking"])
        metrics["tracking"] = json_values(asdict(tracking))
    if "latency" in parts:
        metrics["latency"] = json_values(asdict(measure_latency(_detector(model, settings))))
    if "data" in parts:
        on_data = _on_data(model, card, settings, told["data"])
        metrics["data_sets"] = {on_data.name: on_data.block}
        report = report or on_data.report
    return Evaluation(card, metrics, report)


def write_card(model: str | Path, evaluation: Evaluation) -> Path:
    """Put the figures, and the threshold they are of, into the card; blocks and data sets not measured stay.

    Returns:
        The card's path.
    """
    path = find(model).card
    card = load_card(model)
    metrics = card.metrics | evaluation.metrics
    if "data_sets" in evaluation.metrics:
        metrics["data_sets"] = card.metrics.get("data_sets", {}) | evaluation.metrics["data_sets"]
    card = replace(card, threshold=evaluation.card.threshold, metrics=metrics)
    new = path.with_suffix(".new")
    new.write_text(card.to_json(), encoding="utf-8")
    os.replace(new, path)
    return path


def write_report(evaluation: Evaluation, out: Path) -> None:
    """The figures as JSON; where the accuracy is among them, its curves as PNG beside them."""
    # Drawing loads a library that measuring does without.
    from training.plots import plot_report

    out.write_text(json.dumps(evaluation.metrics, indent=2) + "\n", encoding="utf-8")
    if evaluation.report is not None:
        plot_report(evaluation.report, out.with_suffix(".png"))


def _check(card: Card) -> None:
    classes = SceneSettings().classes
    if card.classes != classes or card.count_channels != 2:
        raise BadTraining(
            f"{card.name} finds {', '.join(card.classes)} in {card.count_channels} channels; simulated "
            f"windows hold {', '.join(classes)} in 2 channels of events. Measure it on other --data."
        )


def _detector(model: str | Path, settings: EvaluationSettings) -> Detector:
    return Detector.load(model, engine=settings.engine)


def _accuracy(
    model: str | Path, card: Card, settings: EvaluationSettings, on_progress: OnProgress | None
) -> Report:
    return measure(
        load_runnable(model), _held_out(card, settings), card.grid, card.classes,
        encoding=card.encoding, rule=settings.rule, each_step=True, on_progress=on_progress,
    )  # fmt: skip


def _on_data(
    model: str | Path, card: Card, settings: EvaluationSettings, on_progress: OnProgress | None
) -> DataAccuracy:
    if settings.data is None:
        raise BadTraining("no data is named; give a data set, such as pedro:FOLDER")
    return measure_data(
        model, card, settings.data, settings.split, windows=settings.windows,
        out=settings.cache.parent / "evaluation", rule=settings.rule, on_progress=on_progress,
    )  # fmt: skip


def _beside(other: str, settings: EvaluationSettings, on_progress: OnProgress | None) -> dict[str, Any]:
    """Other weights on the same streets: those for windows beside those for a lasting state."""
    detector = _detector(other, settings)
    scores = measure_streaming(detector, settings.streaming, on_progress)
    return {"name": detector.card.name, "mode": detector.card.mode, **json_values(asdict(scores))}


def _held_out(card: Card, settings: EvaluationSettings) -> Sequence[LabelledWindow]:
    # A state that lasts has seen something before the steps of an answer.
    steps = card.steps * (2 if card.mode == "rolling" else 1)
    scenes = SceneSettings(step_us=card.step_us, steps=steps)
    data = SimulatedData(folder=settings.cache, cache=settings.cache, run=0, scenes=scenes)
    return data.held_out(settings.windows)


def _twin(
    model: str | Path,
    card: Card,
    settings: EvaluationSettings,
    ours: Report | None,
    on_progress: OnProgress | None,
) -> dict[str, Any]:
    if settings.twin is None:
        raise BadTraining("no twin is given; give the card of weights trained with ReLU on the same windows")
    twin = load_card(settings.twin)
    check_twin(card, twin)
    windows = _held_out(card, settings)
    if ours is None:
        ours = measure(load_runnable(model), windows, card.grid, card.classes, encoding=card.encoding)
    theirs = measure(
        load(settings.twin), windows, twin.grid, twin.classes, encoding=twin.encoding, on_progress=on_progress
    )
    values: dict[str, Any] = json_values(asdict(compare(card, twin, ours, theirs)))
    return values
