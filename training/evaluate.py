"""`evaluate_model`: weights from a file, measured on held-out simulated windows."""

from __future__ import annotations

import json
from pathlib import Path

from model.card import load_card
from model.weights import load
from training.datasets import BoxRule
from training.datasets.scenes import SceneSettings
from training.datasets.simulated import SimulatedData
from training.measure import OnProgress, Report, measure
from training.plots import plot_report


def evaluate_model(
    model: str | Path = "ems-nano",
    windows: int = 1000,
    *,
    cache: Path = Path("runs/held-out"),
    rule: BoxRule | None = None,
    out: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Measure weights on held-out simulated windows.

    Args:
        model: name of the zoo, or path of weights with their card.
        windows: how many; the first call simulates them and keeps them in `cache`.
        cache: folder of the windows.
        rule: which boxes count; all by default.
        out: JSON file to write the report to; its curves go to a PNG beside it.
        on_progress: told the number of windows measured.

    Raises:
        UnknownModel, BadWeights: see `model.weights.load`.
    """
    card = load_card(model)
    data = SimulatedData(
        folder=cache, cache=cache, run=0, scenes=SceneSettings(step_us=card.step_us, steps=card.steps)
    )
    report = measure(
        load(model), data.held_out(windows), card.grid, card.classes,
        encoding=card.encoding, rule=rule, each_step=True, on_progress=on_progress,
    )  # fmt: skip
    if out is not None:
        out.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
        plot_report(report, out.with_suffix(".png"))
    return report
