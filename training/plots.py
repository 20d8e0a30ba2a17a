"""Curves of a run, and of an evaluation, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.activity import Activity
from training.metrics import Scores
from training.progress import Log

Curves = dict[str, list[float | None]]


def plot_run(log: Log, path: Path) -> None:
    """Loss parts, validation mAP and firing rates over minutes, from the run's log."""
    figure = Figure(figsize=(13, 4), layout="constrained")
    FigureCanvasAgg(figure)
    loss, accuracy, firing = figure.subplots(1, 3)
    train, validation = log.rows("train"), log.rows("validation")
    _plot(
        loss, _minutes(train), "loss", {part: [row[part] for row in train] for part in ("box", "obj", "cls")}
    )
    _plot(accuracy, _minutes(validation), "held-out windows", _accuracy(validation))
    _plot(firing, _minutes(validation), "firing rate, by layer", _firing(validation))
    figure.savefig(path, dpi=90)


def plot_report(scores: Scores, activity: Activity, path: Path) -> None:
    """Precision over recall of each class at IoU 0.5, and the firing rate of each layer."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    FigureCanvasAgg(figure)
    curve, firing = figure.subplots(1, 2)
    for name, precision in scores.precision50.items():
        recall = [k / (len(precision) - 1) for k in range(len(precision))]
        curve.plot(recall, precision, label=f"{name} {scores.ap50[name]:.3f}")
    curve.set(title=f"mAP50 {scores.map50:.3f}", xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    curve.grid(alpha=0.3)
    curve.legend(fontsize=8)
    firing.barh(list(activity.firing), list(activity.firing.values()))
    firing.set(title=f"firing rate, {activity.firing_rate:.1%} in all", xlabel="spikes per neuron and step")
    firing.invert_yaxis()
    figure.savefig(path, dpi=90)


def _minutes(rows: Sequence[dict[str, Any]]) -> list[float]:
    return [row["minutes"] for row in rows]


def _accuracy(rows: Sequence[dict[str, Any]]) -> Curves:
    scores = [row["scores"] for row in rows]
    curves: Curves = {"mAP50": [s["map50"] for s in scores], "mAP50:95": [s["map50_95"] for s in scores]}
    for name in scores[0]["ap50"] if scores else ():
        curves[f"AP50 {name}"] = [s["ap50"][name] for s in scores]
    return curves


def _firing(rows: Sequence[dict[str, Any]]) -> Curves:
    names = rows[0]["activity"]["firing"] if rows else ()
    return {name: [row["activity"]["firing"][name] for row in rows] for name in names}


def _plot(axes: Axes, minutes: list[float], title: str, curves: Curves) -> None:
    for name, values in curves.items():
        points = [(m, v) for m, v in zip(minutes, values, strict=True) if v is not None]
        axes.plot([m for m, _ in points], [v for _, v in points], label=name, marker=".")
    axes.set(title=title, xlabel="minutes")
    axes.grid(alpha=0.3)
    if curves:
        axes.legend(fontsize=6, ncols=2)
