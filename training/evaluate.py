"""Measure a network on labelled windows: accuracy, the threshold of the best F1, firing rates, energy."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.card import load_card
from model.detections import Detections
from model.encodings import encode
from model.networks import Network
from model.postprocess import detections
from model.weights import load
from training.activity import Activity, ActivitySum
from training.augment import Sample, plain_view, render
from training.batches import collate
from training.datasets import LabelledWindow
from training.datasets.scenes import SceneSettings
from training.datasets.simulated import SimulatedData
from training.metrics import Operating, Scores, Truth, average_precision, best_f1
from training.plots import plot_report

AP_THRESHOLD, AP_IOU = 0.005, 0.6
RUN_THRESHOLD, RUN_IOU = 0.05, 0.45
DEAD, SATURATED = 0.0005, 0.9


@dataclass(frozen=True, slots=True)
class Report:
    """What a network does on a set of windows.

    Attributes:
        windows, boxes: how many it was measured on.
        scores: average precision; NMS at IoU 0.6 and every class of a cell, as the published evaluation.
        operating: the threshold of the best F1 and what it gives, with the NMS of run time.
        activity: firing rates, operations and energy of a window.
    """

    windows: int
    boxes: int
    scores: Scores
    operating: Operating
    activity: Activity

    def to_json(self) -> dict[str, Any]:
        """JSON values without the curves; what could not be measured is None."""
        values: dict[str, Any] = _without_nan(asdict(self))
        del values["scores"]["precision50"]
        return values


def evaluate_model(
    model: str | Path = "ems-nano",
    windows: int = 500,
    *,
    cache: Path = Path("runs/held-out"),
    out: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Measure weights on held-out simulated windows.

    Args:
        model: name of the zoo, or path of weights with their card.
        windows: how many; the first call simulates them and keeps them in `cache`.
        cache: folder of the windows.
        out: JSON file to write the report to; its curves go to a PNG beside it.
        on_progress: called with the number of windows measured and of all.

    Raises:
        UnknownModel, BadWeights: see `model.weights.load`.
    """
    card = load_card(model)
    data = SimulatedData(
        folder=cache, cache=cache, run=0, scenes=SceneSettings(step_us=card.step_us, steps=card.steps)
    )
    held_out = data.held_out(windows)
    report = measure(load(model), held_out, card.grid, card.classes, on_progress=on_progress)
    if out is not None:
        out.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
        plot_report(report.scores, report.activity, out.with_suffix(".png"))
    return report


def measure(
    network: Network,
    windows: Sequence[LabelledWindow],
    grid: tuple[int, int],
    classes: tuple[str, ...],
    *,
    batch: int = 16,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Run every window from the zero state, in float32, as it falls on the grid at run time.

    Args:
        network: stays as it is.
        windows: labelled windows.
        grid: (width, height), cells.
        classes: names of the labels.
        batch: windows at once.
        on_progress: called with the number of windows measured and of all.
    """
    fused = network.fused()
    layout = network.layout
    activity = ActivitySum(layout, grid[1], grid[0])
    truth: list[Truth] = []
    fine: list[Detections] = []
    coarse: list[Detections] = []
    for first in range(0, len(windows), batch):
        samples = [render(w, plain_view(w.shape, grid), grid) for w in windows[first : first + batch]]
        level = (_maps(fused, samples, activity), layout.anchors, layout.strides, classes)
        truth += [Truth(s.xyxy, s.label, s.ignore) for s in samples]
        fine += detections(*level, threshold=AP_THRESHOLD, iou=AP_IOU, multi_label=True)
        coarse += detections(*level, threshold=RUN_THRESHOLD, iou=RUN_IOU)
        if on_progress:
            on_progress(len(truth), len(windows))
    scores, operating = average_precision(fine, truth, classes), best_f1(coarse, truth)
    return Report(len(windows), sum(len(t.label) for t in truth), scores, operating, activity.mean())


@torch.inference_mode()
def _maps(network: Network, samples: Sequence[Sample], activity: ActivitySum) -> list[Any]:
    """Raw maps of a batch, step by step, adding up what the neurons do."""
    device = next(network.parameters()).device
    x = encode(collate(samples, device).counts, "log1p")
    steps, batch, _, height, width = x.shape
    membranes = network.initial_state(batch, height, width, device=device)
    sums: list[Tensor] = []
    for step in x:
        features, membranes, counts = network.step(
            step.contiguous(memory_format=torch.channels_last), membranes
        )
        sums = [a + b for a, b in zip(sums, features, strict=True)] if sums else list(features)
        activity.add(counts)
    maps = network.head(tuple(each / steps for each in sums))
    activity.windows += batch
    return [level.cpu().numpy() for level in maps]


def layer_warnings(report: Report) -> list[str]:
    """Layers that cannot learn: silent ones get hardly any gradient, saturated ones pass nothing on."""
    found = []
    for name, rate in report.activity.firing.items():
        if rate < DEAD:
            found.append(f"{name} is silent: it fires {rate:.5f} a neuron and step and hardly learns")
        elif rate > SATURATED:
            found.append(f"{name} is saturated: it fires {rate:.2f} a neuron and step and passes nothing on")
    return found


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 5)
    return value
