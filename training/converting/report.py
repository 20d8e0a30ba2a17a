"""A sweep as a page people read, as JSON, and as pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.energy import AC_PJ, MAC_PJ
from model.markdown import table
from training.converting.sweep import Point, Rival, Sweep


def write_sweep(sweep: Sweep, folder: Path) -> Path:
    """Write NAME.report.md, NAME.report.json and NAME.report.png; returns the path of the page."""
    # Drawing loads a library that measuring does without.
    from training.converting.plots import plot_sweep

    base = folder / f"{sweep.name}.report"
    page, values, picture = (base.with_name(base.name + suffix) for suffix in (".md", ".json", ".png"))
    values.write_text(json.dumps(sweep_json(sweep), indent=2) + "\n", encoding="utf-8")
    plot_sweep(sweep, picture)
    page.write_text(sweep_markdown(sweep, picture.name), encoding="utf-8")
    return page


def sweep_json(sweep: Sweep) -> dict[str, Any]:
    """Everything measured, as JSON values of six digits."""
    values: dict[str, Any] = _rounded(asdict(sweep))
    return values | {"break_even_steps": _rounded(sweep.break_even_steps)}


def sweep_markdown(sweep: Sweep, picture: str) -> str:
    """The page; `picture` is the file of the plots, relative to it."""
    return "\n\n".join(_parts(sweep, picture)) + "\n"


def _parts(sweep: Sweep, picture: str) -> Iterator[str]:
    yield f"# {sweep.name}"
    yield (
        f"`{sweep.ann.name}` converted by {sweep.method}, calibrated on "
        f"{sweep.calibration.get('windows', '?')} inputs of `{sweep.calibration.get('data', '?')}`, "
        f"measured on {sweep.inputs} {sweep.measured_on}."
    )
    if sweep.each_steps:
        yield "The method is for one T: each row is a conversion of its own."
    yield f"Settings: `{json.dumps(sweep.settings)}`"
    yield table(_header(sweep), list(_rows(sweep)))
    yield (
        f"An input, on the mean. Energy counts {AC_PJ:g} pJ a synaptic operation and {MAC_PJ:g} pJ a "
        "multiplication (45 nm, 32 bit), and neither memory nor updates of membranes."
    )
    yield _break_even(sweep)
    yield f"![Accuracy, agreement, energy and firing rates]({picture})"
    yield "## Firing rates"
    yield table(
        ("layer", *(f"T = {point.steps}" for point in sweep.points)),
        [(name, *(f"{p.rates[name]:.4f}" for p in sweep.points)) for name in sweep.points[0].rates],
    )


def _header(sweep: Sweep) -> tuple[str, ...]:
    return ("", "T", *sweep.ann.scores, "agreement", "spikes", "SynOps", "MACs", "updates", "energy")


def _rows(sweep: Sweep) -> Iterator[tuple[str, ...]]:
    yield _rival(sweep.ann, "1")
    for point in sweep.points:
        yield _point(point)
    if sweep.trained is not None:
        yield _rival(sweep.trained, "")


def _rival(rival: Rival, agreement: str) -> tuple[str, ...]:
    scores = (f"{value:.3f}" for value in rival.scores.values())
    cost = (_millions(rival.synops), _millions(rival.macs), "", f"{rival.energy_mj:.4g} mJ")
    return (rival.name, str(rival.steps), *scores, agreement, "", *cost)


def _point(point: Point) -> tuple[str, ...]:
    scores = (f"{value:.3f}" for value in point.scores.values())
    cost = (point.spikes, point.synops, point.macs, point.updates)
    energy = f"{point.energy_mj:.4g} mJ"
    return ("converted", str(point.steps), *scores, f"{point.agreement:.3f}", *map(_millions, cost), energy)


def _break_even(sweep: Sweep) -> str:
    break_even, last = sweep.break_even_steps, sweep.points[-1].steps
    if break_even is None:
        return f"At every T up to {last} the converted network takes less energy than the ANN."
    return (
        f"**Break-even: T = {break_even:.3g}.** With more simulation steps than that the converted network "
        f"takes more energy than the ANN's {sweep.ann.energy_mj:.4g} mJ."
    )


def _rounded(value: Any) -> Any:
    """Small energies keep their digits, NaN becomes None."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.6g}")
    return value


def _millions(count: float) -> str:
    return f"{count / 1e6:.4g} M" if count else "0"
