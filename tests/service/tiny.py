"""A detector small enough to check by hand, which behaves like a network in all that batching depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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


ROLLING = replace(CARD, name="tiny-rolling", mode="rolling")
LEAK, BIAS = 0.25, 0.125


class TinyDetector:
    """A leaky sum with a bias, so that empty steps change its state as they change a network's.

    The map is the mean of the sums since the reset (a fading one, where the card rolls); the one box's score
    grows with it.
    """

    def __init__(self, card: Card = CARD) -> None:
        self.card = card
        self.engine = SimpleNamespace(name="tiny", device="cpu")
        self.batches: list[int] = []
        self._decay = card.network_layout().readout_decay

    def initial_state(self, batch: int = 1) -> State:
        zeros = np.zeros((batch, 2, HEIGHT, WIDTH), np.float32)
        return State((zeros,), (zeros.copy(),), np.zeros(batch, np.int64))

    def step(self, counts: NDArray[np.uint16], state: State) -> StepOutput:
        self.batches.append(len(counts))
        membrane = (LEAK * state.membranes[0] + counts + BIAS).astype(np.float32)
        sums = (self._decay * state.head_sums[0] + membrane).astype(np.float32)
        steps = state.steps + 1
        weight = steps if self._decay == 1 else (1 - self._decay**steps) / (1 - self._decay)
        maps = (sums.mean(axis=(1, 2, 3)) / weight).astype(np.float32).reshape(-1, 1, 1, 1, 1)
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


class SlowDetector(TinyDetector):
    """Takes time on a clock of its own, which stands still otherwise.

    Args:
        batch_s: of every batch.
        row_s: of every row.
        card: of the network.
    """

    def __init__(self, batch_s: float, row_s: float, card: Card = CARD) -> None:
        super().__init__(card)
        self.now_s, self._batch_s, self._row_s = 0.0, batch_s, row_s

    def clock(self) -> float:
        return self.now_s

    def step(self, counts: NDArray[np.uint16], state: State) -> StepOutput:
        self.now_s += self._batch_s + len(counts) * self._row_s
        return super().step(counts, state)


def tiny(card: Card = CARD) -> Any:
    """A `TinyDetector` where a `Detector` is asked for."""
    return TinyDetector(card)


def stopped() -> float:
    """A clock that stands still, on which everything takes no time."""
    return 0.0


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
