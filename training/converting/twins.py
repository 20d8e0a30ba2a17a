"""Twins of our detector: converted, measured at each T beside themselves and a network trained to spike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.boxes import iou_xyxy
from model.card import Card, find, load_card
from model.convert.activity import Activity
from model.convert.detecting import WindowSettings, convert_twin
from model.convert.detector import SpikingDetector
from model.convert.graph import INPUT
from model.convert.method import Method
from model.convert.saved import save_converted
from model.convert.simulate import Reading, simulate
from model.detections import Detections
from model.energy import dense_macs, energy_mj
from model.networks import Network, activity_of
from model.sites import sites
from model.weights import load, load_runnable
from training.augment import Labelled, Sample
from training.converting.calibrating import calibration_windows, data_of, encoded, named, parts_of
from training.converting.methods import for_steps, is_for_one
from training.converting.sweep import Point, Rival, Sweep, Tally
from training.errors import BadTraining
from training.measure import RUN_IOU, Judge, Maps, measure

MATCH_IOU = 0.5
BATCH = 8
MeasureProgress = Callable[[str, float], None]
"""Told what is being done and what share of it, 0..1, is done."""


@dataclass(frozen=True, slots=True)
class TwinConversion:
    """What is asked for.

    Attributes:
        twin: card or weights of the twin.
        method: how; of methods for one T, T is filled in.
        window: T of the weights that are written, and how input comes in.
        calibrate: source of calibration windows, see `training.converting.calibrating`.
        calibration_windows: of them, at most.
        seed: of calibration scenes, 0..999.
        at: T that the report covers; none writes no report's figures.
        windows: held-out windows it is measured on.
        data: where these come from, as `spikesight train` takes it.
        trained: name or card of a network that was trained to spike, measured beside; None for none.
        name: of the weights.
        out: folder.
    """

    twin: str | Path
    method: Method
    window: WindowSettings
    calibrate: str
    calibration_windows: int
    seed: int
    at: tuple[int, ...]
    windows: int
    data: str
    trained: str | None
    name: str
    out: Path


def convert(asked: TwinConversion, progress: MeasureProgress) -> tuple[Path, Sweep | None]:
    """Convert a twin, measure it, write its weights and card.

    Returns:
        The card, and what was measured; None where no T was asked for.

    Raises:
        ModelError, BadTraining, BadDataset, StreamingError: see `model.convert.detecting.convert_twin` and
            `training.converting.calibrating`.
    """
    card, twin = load_card(asked.twin), load(asked.twin)
    progress("calibration windows", 0.0)
    batches = calibration_windows(asked.calibrate, card, asked.calibration_windows, asked.seed, asked.out)
    said = {
        "calibration": {
            "data": named(asked.calibrate),
            "windows": sum(map(len, batches)),
            "seed": asked.seed,
        },
        "source": {"name": card.name, "digest": find(asked.twin).digest()},
    }

    def converted(steps: int) -> tuple[SpikingDetector, Card]:
        method, window = for_steps(asked.method, steps), replace(asked.window, steps=steps)
        return convert_twin(
            twin, card, batches, method, window, name=asked.name, said=said, progress=progress
        )

    detector, new = converted(asked.window.steps)
    sweep = None
    if asked.at:
        sweep = _measured(asked, twin, card, (detector, new), converted, progress)
        new = replace(new, conversion=new.conversion | {"cost": _cost(sweep, asked.window.steps)})
    return save_converted(asked.out, detector, new).card, sweep


def _measured(
    asked: TwinConversion,
    twin: Network,
    card: Card,
    first: tuple[SpikingDetector, Card],
    converted: Callable[[int], tuple[SpikingDetector, Card]],
    progress: MeasureProgress,
) -> Sweep:
    windows = data_of(asked.data, card, asked.seed, asked.out).held_out(asked.windows)
    bench = _Bench(card, twin, windows, asked.window, progress)
    steps = sorted({*asked.at, asked.window.steps})
    if is_for_one(asked.method):
        points = [
            bench.points((first if t == asked.window.steps else converted(t))[0], [t])[0] for t in steps
        ]
    else:
        points = bench.points(first[0], steps)
    block = first[1].conversion
    return Sweep(
        name=asked.name,
        method=block["method"],
        settings=block["settings"] | {"spiking": block["spiking"], "input": block["input"]},
        calibration=block["calibration"],
        measured_on=f"held-out windows of {named(asked.data)}",
        inputs=len(windows),
        points=points,
        ann=bench.ann(),
        trained=bench.trained(asked.trained) if asked.trained else None,
        each_steps=is_for_one(asked.method),
    )


def _cost(sweep: Sweep, steps: int) -> dict[str, Any]:
    """What a card says of the cost of a window at its T."""
    point = next(point for point in sweep.points if point.steps == steps)
    return {
        "spikes": round(point.spikes),
        "synops": round(point.synops),
        "macs": round(point.macs),
        "energy_mj": float(f"{point.energy_mj:.5g}"),
        "ann_energy_mj": float(f"{sweep.ann.energy_mj:.5g}"),
        "windows": sweep.inputs,
        "on": sweep.measured_on,
    }


class _Bench:
    """Held-out windows, and the boxes that the ANN finds in them."""

    def __init__(
        self,
        card: Card,
        twin: Network,
        windows: Sequence[Labelled],
        window: WindowSettings,
        progress: MeasureProgress,
    ) -> None:
        self.card, self.twin, self.windows, self.window = card, twin.fused(), windows, window
        self.progress = progress
        self._boxes: list[Detections] = []
        self._scores: dict[str, float] = {}

    def points(self, detector: SpikingDetector, steps: Sequence[int]) -> list[Point]:
        """The detector at each T, in one run to the highest."""
        self._ask_ann()
        judge, tallies = self._judge(), [Tally(t) for t in steps]
        boxes: list[list[Detections]] = [[] for _ in steps]

        def answer(samples: Sequence[Sample]) -> Iterator[Maps]:
            for place, (maps, cost) in enumerate(self._readings(detector, samples, steps)):
                tallies[place].add(cost)
                boxes[place] += self._found(judge, maps, len(samples))
                yield maps

        self._run(judge, answer, f"T = {', '.join(map(str, steps))}")
        return [
            tally.point({"map50": s.map50, "map50_95": s.map50_95}, agreement(self._boxes, found))
            for tally, s, found in zip(tallies, judge.scores(), boxes, strict=True)
        ]

    def ann(self) -> Rival:
        """The twin itself."""
        self._ask_ann()
        width, height = self.card.grid
        macs = float(dense_macs(self.twin.layout, height, width))
        return Rival(self.card.name, 1, self._scores, 0.0, macs, energy_mj(0.0, macs))

    def trained(self, model: str) -> Rival:
        """A network that was trained to spike, on the same windows."""
        card, parts = load_card(model), parts_of(self.card)
        if (card.classes, card.grid, card.steps, card.step_us) != (
            self.card.classes, self.card.grid, parts, self.card.step_us // parts,
        ):  # fmt: skip
            raise BadTraining(
                f"{card.name} sees {card.steps} steps of {card.step_us} us on {card.grid}, which are not the "
                f"windows of {self.card.name}; name another network, or none"
            )
        self.progress(f"measuring {card.name}", 0.0)
        report = measure(
            load_runnable(model), self.windows, card.grid, card.classes, encoding=card.encoding,
            on_progress=lambda done, of: self.progress(f"measuring {card.name}", done / of),
        )  # fmt: skip
        scores, activity = report.scores, report.activity
        return Rival(
            card.name, card.steps, {"map50": scores.map50, "map50_95": scores.map50_95}, activity.synops,
            activity.macs, activity.energy_mj,
        )  # fmt: skip

    def _ask_ann(self) -> None:
        if self._scores:
            return
        judge = self._judge()

        @torch.inference_mode()
        def answer(samples: Sequence[Sample]) -> Iterator[Maps]:
            features, _, _ = self.twin.step(encoded(samples, self.card), ())
            maps = [level.numpy() for level in self.twin.head(features)]
            self._boxes += self._found(judge, maps, len(samples))
            yield maps

        self._run(judge, answer, self.card.name)
        (scores,) = judge.scores()
        self._scores = {"map50": scores.map50, "map50_95": scores.map50_95}

    def _judge(self) -> Judge:
        return Judge(self.twin.layout, self.card.grid, self.card.classes)

    def _run(self, judge: Judge, answer: Callable[[Sequence[Sample]], Iterator[Maps]], what: str) -> None:
        for first in range(0, len(self.windows), BATCH):
            self.progress(f"measuring {what}", first / len(self.windows))
            judge.add(self.windows[first : first + BATCH], answer)
        self.progress(f"measuring {what}", 1.0)

    def _found(self, judge: Judge, maps: Maps, count: int) -> list[Detections]:
        return judge.found(maps, [1.0] * count, self.card.threshold, RUN_IOU, multi_label=False)

    @torch.no_grad()
    def _readings(
        self, detector: SpikingDetector, samples: Sequence[Sample], steps: Sequence[int]
    ) -> Iterator[tuple[Maps, Activity]]:
        """Maps and cost after each T; the parts of a window come in one after the other."""
        parts = self.window.parts
        x = encoded(samples, self.card, parts)
        if parts == 1:
            simulation = simulate(detector.network, x, max(steps), read_at=steps)
            for reading in (simulation.readings[t] for t in steps):
                yield _maps(reading), counted(detector, x, reading.cost)
            return
        for t in steps:
            run = SpikingDetector(detector.layout, detector.network, t // parts, parts)
            features, _, activity = run.window(x)
            maps = run.head(tuple(each / parts for each in features))
            yield [level.numpy() for level in maps], charged(run, activity, x)


def counted(detector: SpikingDetector, x: Tensor, activity: Activity) -> Activity:
    """The activity with the input's events as spikes where the layout says that they act as such.

    They come in once, as engines count them (`SpikingDetector.step`). Shape: x (B, C, H, W).
    """
    events = sites(detector.layout, x.shape[-2], x.shape[-1]).input
    if events is None:
        return activity
    stem = next(node.name for node in detector.network.graph.readers(INPUT) if node.kind == "affine")
    macs = {name: n for name, n in activity.macs.items() if name != stem}
    return replace(
        activity, macs=macs, synops={**activity.synops, stem: activity_of(x, events)[:, 1].double()}
    )


def charged(detector: SpikingDetector, activity: Tensor, x: Tensor) -> Activity:
    """What steps of a detector cost, from the activity (B, L, 2) that they gave. Shape: x (steps, B, ...)."""
    parts, places = len(x), sites(detector.layout, x.shape[-2], x.shape[-1])
    step, head = places.real_macs(detector.ticks)
    counts = activity.double()
    names = [site.name for site in (*places.neurons, *filter(None, [places.input]))]
    layers = len(places.neurons)
    return Activity(
        steps=parts * detector.ticks,
        spikes={name: counts[:, place, 0] for place, name in enumerate(names[:layers])},
        synops={name: counts[:, place, 1] for place, name in enumerate(names)},
        macs={"steps": parts * step, "head": head},
        neurons={site.name: site.neurons for site in places.neurons},
    )


def agreement(ours: Sequence[Detections], theirs: Sequence[Detections]) -> float:
    """2 * pairs / (boxes of both), over all windows: 1 where both find the same, 1 too where neither does.

    A pair is of one class and overlaps by `MATCH_IOU`; each box is in one pair at most.
    """
    pairs = sum(_pairs(a, b) for a, b in zip(ours, theirs, strict=True))
    boxes = sum(map(len, ours)) + sum(map(len, theirs))
    return 2 * pairs / boxes if boxes else 1.0


def _pairs(ours: Detections, theirs: Detections) -> int:
    """Pairs, the best of `theirs` first, each with its nearest of `ours`."""
    left: NDArray[np.bool_] = np.ones(len(ours), bool)
    for box, label in zip(theirs.xyxy, theirs.label, strict=True):
        overlap = iou_xyxy(box, ours.xyxy) * (left & (ours.label == label)) if len(ours) else np.zeros(0)
        if overlap.size and overlap.max() >= MATCH_IOU:
            left[int(overlap.argmax())] = False
    return int((~left).sum())


def _maps(reading: Reading) -> Maps:
    return [level.numpy() for level in reading.outputs]
