"""The margins that conversions are held to, each a number to be measured and its bound.

They are those of the project's specification (sections B and C), which set them from public tools and six
networks of each kind trained elsewhere. A miss is a miss of these figures, whatever the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from benchmarks.conversion.measure import Points
from benchmarks.conversion.nets import Pool
from benchmarks.conversion.rows import ANALOG, Evaluation
from benchmarks.conversion.subsets import Name


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured on one network, in per cent and percentage points."""

    ann: float
    points: Mapping[str, Points]

    def accuracy(self, row: str, steps: int) -> float:
        """Per cent of images told right."""
        return 100 * self.points[row][steps].scores["accuracy"]

    def agreement(self, row: str, steps: int) -> float:
        """Per cent of images told as the ANN does."""
        return 100 * self.points[row][steps].agreement

    def loss(self, row: str, steps: int) -> float:
        """Below the ANN's accuracy."""
        return self.ann - self.accuracy(row, steps)

    def ahead(self, row: str, of: str, steps: int) -> float:
        """Accuracy above another row's."""
        return self.accuracy(row, steps) - self.accuracy(of, steps)


@dataclass(frozen=True, slots=True)
class Criterion:
    """A margin.

    Attributes:
        text: what is measured, in words.
        value: it.
        bound: of the value.
        most: whether the bound is the most it may be, else the least.
        evaluation: what the figures are of.
    """

    text: str
    value: Callable[[Figures], float]
    bound: float
    most: bool
    evaluation: Evaluation = Evaluation.STEPS

    def holds(self, value: float) -> bool:
        """Whether a value is within the margin; an image's share of rounding is let pass."""
        return value <= self.bound + 1e-6 if self.most else value >= self.bound - 1e-6


RUECKAUER, ZERO, CHANNEL, HALF = (
    "Rueckauer",
    "Rueckauer, reset to zero",
    "Rueckauer, by channel",
    "Rueckauer, by channel, V(0) = θ/2",
)
NONE, MMSE = "no calibration, maximum", "no calibration, MMSE"
LIGHT, POTENTIAL = "light calibration", "potential calibration"
ECC, ECC_COUNTS, ECC_NO_RESIDUAL = "ECC", "ECC (counts)", "ECC, η = 0 (counts)"


def criteria(name: Name, pool: Pool) -> list[Criterion]:
    """The margins for a network of a data set."""
    if pool == "max":
        return [_loss(RUECKAUER, 64, 1)] if name == "digits" else []
    made = {"digits": _digits, "mnist": _mnist, "cifar10": _cifar}
    return list(made[name]())


def _digits() -> Iterator[Criterion]:
    yield _least("ANN, accuracy", lambda f: f.ann, 98)
    yield _loss(RUECKAUER, 32, 2)
    yield _loss(RUECKAUER, 128, 0.5)
    yield _ahead(RUECKAUER, ZERO, 64, 10)
    for steps, margin in ((8, 3), (16, 1), (32, 0.5), (64, 0.5), (128, 0.5), (256, 0.5)):
        yield _loss(ECC_COUNTS, steps, margin)
    yield _ahead(ECC_COUNTS, ECC_NO_RESIDUAL, 8, 20)
    yield _loss(ECC, 8, 2)
    yield _loss(ECC, 64, 1)
    for row in (LIGHT, POTENTIAL):
        yield _ahead(row, MMSE, 2, 8)
        yield _loss(row, 4, 2.5)
        yield _loss(row, 16, 0.6)
    yield _most("Rueckauer, largest fall of agreement from T to 2 T, T = 32 to 128", _largest_fall, 1)
    yield _agreement(RUECKAUER, 256, 99.5)


def _mnist() -> Iterator[Criterion]:
    yield _least("ANN, accuracy", lambda f: f.ann, 98)
    yield _loss(RUECKAUER, 128, 1)
    yield _ahead(RUECKAUER, ZERO, 128, 10)
    yield _ahead(CHANNEL, ANALOG, 16, 20)
    yield _loss(HALF, 8, 2)
    yield _loss(ECC_COUNTS, 32, 1)
    yield _loss(ECC_COUNTS, 256, 0.3)
    yield _loss(ECC, 64, 2)
    for row, margin in ((LIGHT, 4), (POTENTIAL, 3)):
        yield _loss(row, 8, margin)
        yield _ahead(row, NONE, 8, 25)


def _cifar() -> Iterator[Criterion]:
    yield _agreement(ECC_COUNTS, 32, 90)
    yield _agreement(ECC_COUNTS, 256, 97)
    yield _agreement(ECC, 256, 94)
    yield _agreement(RUECKAUER, 256, 90)
    for row, steps, least in ((POTENTIAL, 16, 90), (LIGHT, 16, 82), (POTENTIAL, 32, 93), (LIGHT, 32, 89)):
        yield _agreement(row, steps, least)
    yield _most(f"{NONE}, agreement, T = 16", lambda f: f.agreement(NONE, 16), 65)
    for row in (LIGHT, POTENTIAL):
        yield _recovered(row, 32, 70)


def _least(text: str, value: Callable[[Figures], float], bound: float) -> Criterion:
    return Criterion(text, value, bound, most=False)


def _most(text: str, value: Callable[[Figures], float], bound: float) -> Criterion:
    return Criterion(text, value, bound, most=True)


def _loss(row: str, steps: int, bound: float) -> Criterion:
    margin = _most(f"{row}, loss, T = {steps}", lambda f: f.loss(row, steps), bound)
    return replace(margin, evaluation=_evaluation(row))


def _agreement(row: str, steps: int, bound: float) -> Criterion:
    margin = _least(f"{row}, agreement, T = {steps}", lambda f: f.agreement(row, steps), bound)
    return replace(margin, evaluation=_evaluation(row))


def _ahead(row: str, of: str, steps: int, bound: float) -> Criterion:
    margin = _least(f"{row}, ahead of {of}, T = {steps}", lambda f: f.ahead(row, of, steps), bound)
    return replace(margin, evaluation=_evaluation(row))


def _evaluation(row: str) -> Evaluation:
    return Evaluation.COUNTS if row.endswith("(counts)") else Evaluation.STEPS


def _recovered(row: str, steps: int, bound: float) -> Criterion:
    def share(figures: Figures) -> float:
        lost = figures.loss(NONE, steps)
        return 100 * (1 - figures.loss(row, steps) / lost) if lost > 0 else 100.0

    return _least(f"{row}, share of the loss without calibration made good, T = {steps}", share, bound)


def _largest_fall(figures: Figures) -> float:
    found = [figures.agreement(RUECKAUER, steps) for steps in (32, 64, 128, 256)]
    return max(earlier - later for earlier, later in pairwise(found))
