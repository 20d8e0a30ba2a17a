"""Faults: what a sensor and its cable add to events and take from them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.augment.region import Region
from training.augment.render import Sample, without_faint
from training.augment.views import POLARITIES

MAX_COUNT = 255


@dataclass(frozen=True, slots=True)
class Burst:
    """Events that nothing in the scene made: noise over the grid, a hot pixel, a lamp, a bright border.

    Attributes:
        where: its cells.
        rate: mean events per cell and step, of both polarities together.
        half_period: steps until the polarity changes; T or more keeps one, 0 mixes both.
    """

    where: Region
    rate: float
    half_period: int = 0


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of one sample.

    Attributes:
        bursts: extra events.
        clamp: ceiling of a cell's count.
        empty_steps: steps without any event.
        seed: of the extra events.
    """

    bursts: tuple[Burst, ...] = ()
    clamp: int = MAX_COUNT
    empty_steps: tuple[int, ...] = ()
    seed: int = 0


def spoil(sample: Sample, faults: Faults) -> Sample:
    """The sample of an event sensor with these faults; its counts are changed in place.

    Boxes that the empty steps leave without events become regions to ignore; extra events make none visible.
    """
    counts = sample.counts
    if faults.empty_steps:
        counts[list(faults.empty_steps)] = 0
        sample = without_faint(replace(sample, counts=counts))
    if faults.bursts:
        rng = np.random.default_rng(faults.seed)
        live = np.setdiff1d(np.arange(len(counts)), faults.empty_steps)
        for burst in faults.bursts:
            _add(counts, burst, live, rng)
    if faults.clamp < MAX_COUNT:
        np.minimum(counts, faults.clamp, out=counts)
    return sample


def _add(counts: NDArray[np.uint8], burst: Burst, live: NDArray[np.int64], rng: np.random.Generator) -> None:
    where = burst.where
    width, height = where.size
    events = rng.poisson(burst.rate * width * height * len(live))
    step = live[rng.integers(0, len(live), events)]
    polarity = rng.integers(0, POLARITIES, events)
    if burst.half_period:
        phase = rng.integers(0, POLARITIES)
        polarity = (step // burst.half_period + phase) % POLARITIES
    y = rng.integers(where.top, where.bottom, events)
    x = rng.integers(where.left, where.right, events)
    cell, more = np.unique(np.ravel_multi_index((step, polarity, y, x), counts.shape), return_counts=True)
    flat = counts.reshape(-1)
    flat[cell] = np.minimum(flat[cell] + more, MAX_COUNT)
