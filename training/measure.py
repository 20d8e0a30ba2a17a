"""`measure`: a network on labelled windows: accuracy, the default threshold, confusion, spikes, energy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.card import Encoding
from model.detections import Detections
from model.encodings import encode
from model.layout import Layout
from model.networks import Runnable, readout_weight
from model.postprocess import detections
from training.activity import Activity, ActivitySum
from training.augment import Labelled, Sample, plain_view, render
from training.batches import collate
from training.datasets import BoxRule
from training.merging import seen_by
from training.metrics import Truth, found_judged, total_boxes, truth_judged
from training.metrics.average_precision import Scores, average_precision
from training.metrics.confusion import Confusion, confusion
from training.metrics.operating import THRESHOLDS, Operating, operating_point

AP_THRESHOLD, AP_IOU = 0.005, 0.6
RUN_IOU = 0.45

OnProgress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""

Maps = list[NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class StepScores:
    """Average precision of the answers after the first `step` steps of the windows."""

    step: int
    map50: float
    map50_95: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a network does on a set of windows.

    Attributes:
        windows, boxes: how many it was measured on.
        rule: which boxes counted; None for all.
        scores: average precision; NMS at IoU 0.6 and every class of a cell, as the published evaluation.
        each_step: the same after 1 ... T steps against the boxes at the window's end; empty if not asked for.
        operating: the default threshold and what it gives, with the NMS of run time.
        confusion: at that threshold.
        activity: firing rates, operations and energy of a window.
    """

    windows: int
    boxes: int
    rule: BoxRule | None
    scores: Scores
    each_step: tuple[StepScores, ...]
    operating: Operating
    confusion: Confusion
    activity: Activity

    def to_json(self) -> dict[str, Any]:
        """JSON values without the curves; what could not be measured is None."""
        values: dict[str, Any] = json_values(asdict(self))
        del values["scores"]["precision50"]
        return values


def measure(
    network: Runnable,
    windows: Sequence[Labelled],
    grid: tuple[int, int],
    classes: tuple[str, ...],
    *,
    encoding: Encoding,
    threshold: float | None = None,
    rule: BoxRule | None = None,
    counted: Sequence[str] | None = None,
    each_step: bool = False,
    batch: int = 16,
    on_progress: OnProgress | None = None,
) -> Report:
    """Run every window from the zero state, in float32, as it falls on the grid at run time.

    The conventional twin sees all steps of a window as one.

    Args:
        network: stays as it is.
        windows: labelled windows of one number of steps.
        grid: (width, height), cells.
        classes: names of the labels.
        encoding: how counts become the network's input.
        threshold: whose figures to give; by default the one that `operating_point` chooses.
        rule: which boxes count; all by default.
        counted: names of the classes whose answers count; all by default.
        each_step: measure the answers after 1 ... T steps too.
        batch: windows at once.
        on_progress: told the number of windows measured.
    """
    judge = Judge(network.layout, grid, classes, rule, counted)
    run = _Run(network.fused(), judge, encoding, each_step)
    for first in range(0, len(windows), batch):
        judge.add(windows[first : first + batch], run.answers)
        if on_progress:
            on_progress(len(judge.truth), len(windows))
    return run.report(threshold)


class Judge:
    """Answers of networks to labelled windows, as they fall on the grid at run time, beside the truth.

    Attributes:
        truth: of each window so far.
        fine: for average precision; of each answer that a window gets, of each window.
        coarse: with the NMS of run time; of each window its last answer.
    """

    def __init__(
        self,
        layout: Layout,
        grid: tuple[int, int],
        classes: tuple[str, ...],
        rule: BoxRule | None = None,
        counted: Sequence[str] | None = None,
    ) -> None:
        self.layout, self.grid, self.classes, self.rule = layout, grid, classes, rule
        wanted = classes if counted is None else counted
        self.counted = [label for label, name in enumerate(classes) if name in wanted]
        self.truth: list[Truth] = []
        self.fine: list[list[Detections]] = []
        self.coarse: list[Detections] = []

    def add(self, windows: Sequence[Labelled], answer: Callable[[Sequence[Sample]], Iterable[Maps]]) -> None:
        """Judge a batch of windows; `answer` gives one or several answers, the last the best."""
        views = [plain_view(w.shape, self.grid) for w in windows]
        samples = [render(w, view, self.grid) for w, view in zip(windows, views, strict=True)]
        px_per_cell = [1 / view.scale for view in views]
        for truth, px in zip((Truth(s.xyxy, s.label, s.ignore) for s in samples), px_per_cell, strict=True):
            self.truth.append(truth if self.rule is None else truth_judged(self.rule, truth, px))
        for index, maps in enumerate(answer(samples)):
            if index == len(self.fine):
                self.fine.append([])
            self.fine[index] += self.found(maps, px_per_cell, AP_THRESHOLD, AP_IOU, multi_label=True)
        self.coarse += self.found(maps, px_per_cell, float(THRESHOLDS[0]), RUN_IOU, multi_label=False)

    def found(
        self, maps: Maps, px_per_cell: Sequence[float], threshold: float, iou: float, *, multi_label: bool
    ) -> list[Detections]:
        """What counts of the boxes in raw maps."""
        found = detections(
            maps, self.layout.anchors, self.layout.strides, self.classes,
            threshold=threshold, iou=iou, multi_label=multi_label,
        )  # fmt: skip
        found = [each[np.isin(each.label, self.counted)] for each in found]
        if self.rule is None:
            return found
        return [found_judged(self.rule, each, px) for each, px in zip(found, px_per_cell, strict=True)]

    def scores(self) -> list[Scores]:
        """Average precision of each answer that a window gets."""
        return [average_precision(found, self.truth, self.classes, self.grid) for found in self.fine]


class _Run:
    """A network's answers to the windows measured so far."""

    def __init__(self, network: Runnable, judge: Judge, encoding: Encoding, each_step: bool) -> None:
        self.network, self.judge, self.encoding, self.each_step = network, judge, encoding, each_step
        width, height = judge.grid
        self.activity = ActivitySum(network.layout, height, width, network.ticks)

    @torch.inference_mode()
    def answers(self, samples: Sequence[Sample]) -> Iterator[Maps]:
        """Raw maps of a batch after each step asked for, the last among them."""
        network = self.network
        counts = collate(samples, next(network.parameters()).device).counts
        x = encode(seen_by(network.layout, counts, self.encoding), self.encoding)
        steps, batch, _, height, width = x.shape
        membranes = network.initial_state(batch, height, width, device=x.device)
        decay = network.layout.readout_decay
        sums: list[Tensor] = []
        for done, step in enumerate(x, start=1):
            features, membranes, spikes = network.step(
                step.contiguous(memory_format=torch.channels_last), membranes
            )
            sums = [decay * a + b for a, b in zip(sums, features, strict=True)] if sums else list(features)
            self.activity.add(spikes)
            if self.each_step or done == steps:
                maps = network.head(tuple(each / readout_weight(decay, done) for each in sums))
                yield [level.cpu().numpy() for level in maps]
        self.activity.windows += batch

    def report(self, threshold: float | None) -> Report:
        judge, scores = self.judge, self.judge.scores()
        operating = operating_point(judge.coarse, judge.truth, threshold)
        each_step = tuple(StepScores(k, s.map50, s.map50_95) for k, s in enumerate(scores, start=1))
        return Report(
            windows=len(judge.truth),
            boxes=total_boxes(judge.truth),
            rule=judge.rule,
            scores=scores[-1],
            each_step=each_step if self.each_step else (),
            operating=operating,
            confusion=confusion(judge.coarse, judge.truth, judge.classes, operating.threshold),
            activity=self.activity.mean(),
        )


def json_values(value: Any) -> Any:
    """Numbers rounded to five digits, NaN as None, tuples as lists."""
    if isinstance(value, dict):
        return {key: json_values(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(each) for each in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 5)
    return value
