"""Measures rows on a trained network, and keeps what was measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from benchmarks.conversion.rows import Evaluation, Row
from benchmarks.conversion.subsets import Trained
from model.convert.activity import Activity
from model.convert.counts import count_domain
from model.convert.method import convert
from model.convert.network import SpikingNetwork
from model.convert.simulate import simulate
from training.converting.sweep import Point, Tally

BATCH = 100

Points: TypeAlias = dict[int, Point]
"""By T."""


class Results:
    """What was measured on one network, in a JSON file that grows row by row, so that a run can go on.

    Attributes:
        ann: share of the test images that the ANN is right on.
        macs: multiply-accumulates of the ANN for an image.
        points: of each row by its name.
    """

    def __init__(self, file: Path, bench: Trained) -> None:
        self.file = file
        self.ann, self.macs = bench.accuracy(bench.answers), bench.macs
        kept: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        self.points: dict[str, Points] = {
            name: {point["steps"]: Point(**point) for point in points} for name, points in kept.items()
        }

    def add(self, row: Row, point: Point) -> None:
        """Keep a point of a row."""
        self.points.setdefault(row.name, {})[point.steps] = point
        values = {name: [asdict(p) for p in points.values()] for name, points in self.points.items()}
        self.file.write_text(json.dumps(values), encoding="utf-8")

    def missing(self, row: Row) -> tuple[int, ...]:
        """T at which a row was not measured yet."""
        return tuple(steps for steps in row.at if steps not in self.points.get(row.name, {}))


def measured(row: Row, bench: Trained, at: tuple[int, ...]) -> Iterator[Point]:
    """A row at each T of `at`, which is not empty."""

    def converted(steps: int) -> SpikingNetwork:
        return convert(bench.net, bench.calibration, row.method(steps))

    if row.each:
        for steps in at:
            yield from _stepped(converted(steps), bench, (steps,))
    elif row.evaluation is Evaluation.STEPS:
        yield from _stepped(converted(max(at)), bench, at)
    else:
        network = converted(max(at))
        for steps in at:
            yield _counted(network, bench, steps)


def _stepped(network: SpikingNetwork, bench: Trained, at: tuple[int, ...]) -> Iterator[Point]:
    runs = [simulate(network, x, max(at), read_at=at).readings for x in bench.test.split(BATCH)]
    for steps in at:
        readings = [run[steps] for run in runs]
        yield _point(bench, steps, [(r.outputs[0], r.cost) for r in readings])


def _counted(network: SpikingNetwork, bench: Trained, steps: int) -> Point:
    readings = [count_domain(network, x, steps) for x in bench.test.split(BATCH)]
    return _point(bench, steps, [(r.outputs[0], r.activity) for r in readings])


def _point(bench: Trained, steps: int, batches: list[tuple[Tensor, Activity]]) -> Point:
    tally = Tally(steps)
    for _, activity in batches:
        tally.add(activity)
    answers = torch.cat([outputs.argmax(1) for outputs, _ in batches])
    return tally.point({"accuracy": bench.accuracy(answers)}, bench.agreement(answers))


def fill(
    results: Results,
    wanted: list[Row],
    bench: Trained,
    told: Callable[[str], None],
    only: tuple[int, ...] = (),
) -> None:
    """Measure what is missing of the rows wanted, at the T of each, or those of `only` among them."""
    for row in wanted:
        at = tuple(steps for steps in results.missing(row) if not only or steps in only)
        for point in measured(row, bench, at) if at else ():
            results.add(row, point)
            told(f"{row.name}, {row.evaluation}, T = {point.steps}: {100 * point.scores['accuracy']:.1f} %")
