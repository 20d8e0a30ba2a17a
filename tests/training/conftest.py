"""Synthetic labelled windows: rectangles of random events on an empty sensor."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from model.card import Encoding
from training.datasets import LabelledWindow, Split
from training.datasets.pool import Chunks, DirectChunks

CLASSES = ("person", "car", "two-wheeler")
SIDES = ((12, 30), (34, 16), (24, 24))  # tall, wide, square


def make_window(seed: int, *, width: int = 96, height: int = 64, steps: int = 3) -> LabelledWindow:
    """One window with the rectangle of a random class at a random place."""
    rng = np.random.default_rng(seed)
    label = int(rng.integers(3))
    w, h = SIDES[label]
    x, y = int(rng.integers(width - w)), int(rng.integers(height - h))
    counts = np.zeros((steps, 2, height, width), np.int64)
    counts[:, :, y : y + h, x : x + w] = rng.poisson(1.0, (steps, 2, h, w))
    box = np.array([[x, y, x + w, y + h]], np.float32)
    return LabelledWindow.of(counts, box, np.array([label]), np.zeros((0, 4), np.float32))


@dataclass(frozen=True)
class SquareData:
    """Chunk k holds the windows of eight seeds."""

    classes: tuple[str, ...] = CLASSES
    encoding: Encoding | None = None
    split: Split | None = "val"
    window_steps: int = 3

    @contextlib.contextmanager
    def chunks(self, first: int) -> Iterator[Chunks]:
        yield DirectChunks(lambda number: [self._window(8 * number + k) for k in range(8)])

    def held_out(self, count: int) -> Sequence[LabelledWindow]:
        return [self._window(1_000_000 + k) for k in range(count)]

    def describe(self) -> dict[str, Any]:
        return {"data": "rectangles"}

    def _window(self, seed: int) -> LabelledWindow:
        return make_window(seed, steps=self.window_steps)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Two threads wait for each other at every small layer, and for ever on a machine that is busy."""
    torch.set_num_threads(1)


@pytest.fixture
def square_window() -> Callable[..., LabelledWindow]:
    return make_window


@pytest.fixture
def square_data() -> SquareData:
    return SquareData()
