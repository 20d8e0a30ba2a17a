"""Curves of a run, and of an evaluation, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.activity import Activity
from training.measure import Report, StepScores
from training.metrics.average_precision import Scores
from training.metrics.confusion import Confusion
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


def plot_report(report: Report, path: Path) -> None:
    """Precision over recall, what is taken for what, AP over the steps of a window, and firing rates."""
    figure = Figure(figsize=(12, 8.5), layout="constrained")
    FigureCanvasAgg(figure)
    (curve, sheet), (steps, firing) = figure.subplots(2, 2)
    _plot_precision(curve, report.scores)
    _plot_confusion(sheet, report.confusion)
    _plot_steps(steps, report.each_step)
    _plot_firing(firing, report.activity)
    figure.savefig(path, dpi=90)


def _plot_precision(axes: Axes, scores: Scores) -> None:
    for name, precision in scores.precision50.items():
        recall = [k / (len(precision) - 1) for k in range(len(precision))]
        axes.plot(recall, precision, label=f"{name} {scores.ap50[name]:.3f}")
    axes.set(title=f"mAP50 {scores.map50:.3f}", xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _plot_confusion(axes: Axes, confusion: Confusion) -> None:
    """Counts, coloured by their share of the row; nobody counts where nothing is and nothing was found."""
    sums = [max(sum(row), 1) for row in confusion.counts]
    shares = [[n / total for n in row] for row, total in zip(confusion.counts, sums, strict=True)]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places = range(len(confusion.classes))
    for row in places:
        for column in places:
            if row == column == len(confusion.classes) - 1:
                continue
            colour = "white" if shares[row][column] > 0.6 else "black"
            axes.text(column, row, str(confusion.counts[row][column]), ha="center", va="center", color=colour)
    axes.set_xticks(places, confusion.classes, fontsize=8)
    axes.set_yticks(places, confusion.classes, fontsize=8)
    axes.set(title=f"boxes at threshold {confusion.threshold:.3g}", xlabel="found", ylabel="there")


def _plot_steps(axes: Axes, each_step: Sequence[StepScores]) -> None:
    steps = [each.step for each in each_step]
    axes.plot(steps, [each.map50 for each in each_step], marker="o", label="mAP50")
    axes.plot(steps, [each.map50_95 for each in each_step], marker="o", label="mAP50:95")
    axes.set(title="answers inside a window", xlabel="steps seen", xticks=steps, ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _plot_firing(axes: Axes, activity: Activity) -> None:
    axes.barh(list(activity.firing), list(activity.firing.values()))
    axes.set(title=f"firing rate, {activity.firing_rate:.1%} in all", xlabel="spikes per neuron and step")
    axes.tick_params(axis="y", labelsize=7)
    axes.invert_yaxis()


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
