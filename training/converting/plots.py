"""A sweep as PNG: accuracy, agreement, energy and firing rates over T."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.converting.sweep import Sweep

MOST_LAYERS = 40


def plot_sweep(sweep: Sweep, path: Path) -> None:
    """Draw a sweep: scores beside the ANN's, agreement, energy beside both rivals', rates of layers."""
    figure = Figure(figsize=(12, 8.5), layout="constrained")
    FigureCanvasAgg(figure)
    (scores, agreement), (energy, rates) = figure.subplots(2, 2)
    steps = [point.steps for point in sweep.points]
    _scores(scores, sweep, steps)
    agreement.plot(steps, [point.agreement for point in sweep.points], marker="o", color="tab:green")
    agreement.set(title="agreement with the ANN", ylim=(0, 1.02))
    _energy(energy, sweep, steps)
    for axes in (scores, agreement, energy):
        axes.set_xscale("log", base=2)
        axes.set_xticks(steps, [str(t) for t in steps])
        axes.set_xlabel("T, simulation steps")
        axes.grid(alpha=0.3)
    _rates(rates, sweep)
    figure.suptitle(f"{sweep.name}: {sweep.method}, {sweep.inputs} {sweep.measured_on}", fontsize=10)
    figure.savefig(path, dpi=90)


def _scores(axes: Axes, sweep: Sweep, steps: list[int]) -> None:
    for colour, name in zip(("tab:blue", "tab:orange", "tab:purple"), sweep.ann.scores, strict=False):
        axes.plot(steps, [p.scores[name] for p in sweep.points], marker="o", color=colour, label=name)
        axes.axhline(sweep.ann.scores[name], color=colour, linestyle="--", label=f"{name}, ANN")
        if sweep.trained is not None:
            label = f"{name}, {sweep.trained.name} (T = {sweep.trained.steps})"
            axes.axhline(sweep.trained.scores[name], color=colour, linestyle=":", label=label)
    axes.set(title="accuracy", ylim=(0, 1.35 * axes.get_ylim()[1]))  # room for the legend above the lines
    axes.legend(fontsize=8, loc="upper left", ncols=max(1, len(sweep.ann.scores)))


def _energy(axes: Axes, sweep: Sweep, steps: list[int]) -> None:
    axes.plot(steps, [p.energy_mj for p in sweep.points], marker="o", label="converted")
    axes.axhline(sweep.ann.energy_mj, color="black", linestyle="--", label=sweep.ann.name)
    if sweep.trained is not None:
        axes.axhline(
            sweep.trained.energy_mj, color="tab:red", linestyle=":",
            label=f"{sweep.trained.name} (T = {sweep.trained.steps})",
        )  # fmt: skip
    if sweep.break_even_steps is not None:
        axes.axvline(sweep.break_even_steps, color="grey", linewidth=1)
    axes.set(title="energy of an input, mJ", yscale="log")
    axes.legend(fontsize=8)


def _rates(axes: Axes, sweep: Sweep) -> None:
    """Rates of each layer, in the order of the network, at the lowest and the highest T."""
    names = list(sweep.points[0].rates)[:MOST_LAYERS]
    for point in (sweep.points[0], sweep.points[-1]):
        axes.plot([point.rates[name] for name in names], marker=".", label=f"T = {point.steps}")
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
    axes.set(title="spikes per neuron and simulation step", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
