"""Tables of figures, each of one kind of evaluation."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.conversion.measure import Points
from benchmarks.conversion.rows import Evaluation, Row
from model.errors import BadSetting
from model.markdown import table
from training.converting.sweep import STEPS, Rival, Sweep

REFERENCE = Path(__file__).with_name("reference.toml")
COSTED = 32
"""T whose spikes and operations tables show."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Figures of public tools for one network, see reference.toml.

    Attributes:
        ann: per cent that the ANN there is right on.
        rows: by name.
    """

    ann: float
    rows: Mapping[str, Mapping[str, Any]]


def read_reference(name: str, pool: str) -> Reference:
    """The figures for a network of a data set."""
    values = tomllib.loads(REFERENCE.read_text(encoding="utf-8"))[name][pool]
    return Reference(values["ann"], {key: row for key, row in values.items() if key != "ann"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A row with what was measured of it."""

    row: Row
    points: Points


@dataclass(frozen=True, slots=True)
class Table:
    """Entries of one evaluation: what ran step by step is never beside what was evaluated in counts.

    Raises:
        BadSetting: an entry is of another evaluation; names it.
    """

    evaluation: Evaluation
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        for entry in self.entries:
            if entry.row.evaluation is not self.evaluation:
                raise BadSetting(
                    f"{entry.row.name!r} is evaluated {entry.row.evaluation}, the table {self.evaluation}; "
                    "their figures cannot be compared, so give each a table of its own"
                )

    def accuracy(self, reference: Reference) -> str:
        """Accuracy and agreement at each T, with those of reference figures below."""
        head = ("", *(f"T = {t}" for t in STEPS), f"spikes, T = {COSTED}", f"SynOps, T = {COSTED}")
        return table(head, list(self._accuracy(reference)))

    def energy(self, ann: Rival) -> str:
        """Energy of an image at each T in microjoule, and where it is the ANN's."""
        head = ("", *(f"T = {t}" for t in STEPS), "break-even T")
        return table(head, [_energy(entry, ann) for entry in self.entries])

    def _accuracy(self, reference: Reference) -> Iterator[tuple[str, ...]]:
        for row, points in ((entry.row, entry.points) for entry in self.entries):
            shown = (
                (100 * points[t].scores["accuracy"], 100 * points[t].agreement) if t in points else None
                for t in STEPS
            )
            cost = points.get(COSTED)
            yield (
                row.name,
                *map(_cell, shown),
                *_cost(*((cost.spikes, cost.synops) if cost else (None, None))),
            )
            if (theirs := reference.rows.get(row.reference)) is not None:
                pairs = zip(theirs["accuracy"], theirs["agreement"], strict=True)
                yield "· reference", *map(_cell, pairs), *_cost(theirs["spikes"], theirs["synops"])


def _energy(entry: Entry, ann: Rival) -> tuple[str, ...]:
    points = entry.points
    cells = (f"{1e3 * points[t].energy_mj:.3g}" if t in points else "-" for t in STEPS)
    sweep = Sweep(entry.row.name, "", {}, {}, "", 0, [points[t] for t in sorted(points)], ann)
    even = sweep.break_even_steps
    return entry.row.name, *cells, f"above {max(points)}" if even is None else f"{even:.0f}"


def _cell(pair: tuple[float, float] | None) -> str:
    if pair is None or math.isnan(pair[0]):
        return "-"
    return f"{pair[0]:.1f}" + ("" if math.isnan(pair[1]) else f" ({pair[1]:.1f})")


def _cost(spikes: float | None, synops: float | None) -> tuple[str, str]:
    return (
        "-" if spikes is None or math.isnan(spikes) else f"{spikes / 1e3:.1f} k",
        "-" if synops is None or math.isnan(synops) else f"{synops / 1e6:.2f} M",
    )
