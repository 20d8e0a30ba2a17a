"""A detector small enough to check by hand, which behaves like a network in all that batching depends on."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.card import Card
from model.detections import Detections
from model.engines.base import Activity, StepOutput
from model.state import State
from streaming.step import ResetReason, Step

WIDTH, HEIGHT, STEPS, STEP_US = 64, 32, 5, 1_000
CLASSES = ("person", "car", "two-wheeler")

CARD = Card(
    name="tiny",
    layout="ems-nano",
    classes=CLASSES,
    in_channels=2,
    step_us=STEP_US,
    steps=STEPS,
    grid=(WIDTH, HEIGHT),
    encoding="log1p",
    threshold=0.1,
    iou=0.5,
)


class TinyDetector:
    """A leaky sum with a bias, so that empty steps change its state as they change a network's.

    The map is the mean of the sums since the reset; the one box's score grows with it.
    """

    def __init__(self) -> None:
        self.card = CARD
        self.engine = SimpleNamespace(name="tiny", device="cpu")
        self.batches: list[int] = []

    def initial_state(self, batch: int = 1) -> State:
        zeros = np.zeros((batch, 2, HEIGHT, WIDTH), np.float32)
        return State((zeros,), (zeros.copy(),), np.zeros(batch, np.int64))

    def step(self, counts: NDArray[np.uint16], state: State) -> StepOutput:
        self.batches.append(len(counts))
        membrane = (0.25 * state.membranes[0] + counts + 0.125).astype(np.float32)
        sums = state.head_sums[0] + membrane
        steps = state.steps + 1
        maps = (sums.mean(axis=(1, 2, 3)) / steps).astype(np.float32).reshape(-1, 1, 1, 1, 1)
        spikes = (membrane > 1).mean(axis=(2, 3)).astype(np.float32)  # (B, 2)
        synops = (membrane > 1).sum(axis=(1, 2, 3)).astype(np.float64)
        activity = Activity(spikes, synops, np.ones(len(counts)), 1)
        return StepOutput((maps,), State((membrane,), (sums,), steps), activity)

    def detections(
        self, maps: Sequence[NDArray[np.float32]], *, threshold: float, iou: float
    ) -> list[Detections]:
        return [self._box(float(value)).above(threshold) for value in maps[0].reshape(-1)]

    def energy(self, activity: Activity) -> NDArray[np.float64]:
        return 0.9 * activity.synops + 4.6 * activity.macs

    def _box(self, value: float) -> Detections:
        xyxy = np.array([[1 + value, 2, 20 + value, 22]], np.float32)
        return Detections(xyxy, np.array([value / (1 + value)], np.float32), np.array([0]), CLASSES)


def tiny() -> Any:
    """A `TinyDetector` where a `Detector` is asked for."""
    return TinyDetector()


def counts_of(seed: int, events: int) -> NDArray[np.uint16]:
    """(2, HEIGHT, WIDTH) uint16 with `events` events."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 2 * HEIGHT * WIDTH, events)
    return np.bincount(cells, minlength=2 * HEIGHT * WIDTH).astype(np.uint16).reshape(2, HEIGHT, WIDTH)


def step_of(
    index: int, *, seed: int = 0, events: int | None = None, reset: ResetReason | None = None
) -> Step:
    """The step `index` of a stream; its events differ from step to step and seed to seed."""
    number = 100 + 37 * ((seed * 31 + index) % 11) if events is None else events
    begin_us = index * STEP_US
    newest_us = begin_us + (STEP_US - 1 if number else -1)
    return Step(
        counts_of(seed * 1000 + index, number), (begin_us, begin_us + STEP_US), number, newest_us, reset
    )
