"""`Windows`: a trainer's batches, and where the time goes that it takes to get them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.augment import Labelled
from training.batches import Batch, Batches
from training.datasets.pool import Chunks, Pool
from training.health import Supply
from training.settings import TrainSettings


class Windows:
    """The batches of one trainer, timed.

    Attributes:
        pool: the windows in hand.
        warm: whether the count began after the first windows were there, which are waited for in any case.
    """

    def __init__(self, chunks: Chunks, settings: TrainSettings, rng: np.random.Generator) -> None:
        self._chunks = _Timed(chunks)
        # A budget of steps makes equal weights of equal settings, however fast windows come.
        wait = settings.steps is not None
        self.pool = Pool(self._chunks, capacity=settings.pool, views=settings.views, wait=wait)
        self._batches = Batches(self.pool, settings, rng)
        self.start_count()
        self.warm = False

    def next(self, fraction: float) -> Batch:
        """As `Batches.next`."""
        started_s = time.perf_counter()
        batch = self._batches.next(fraction)
        self._getting_s += time.perf_counter() - started_s
        self._views += batch.counts.shape[1]
        return batch

    def start_count(self) -> None:
        """Forget the time so far."""
        self.warm = True
        self._started_s = time.perf_counter()
        self._views, self._repeats = 0, self.pool.repeats
        self._getting_s = self._chunks.loading_s = 0.0

    def supply(self) -> Supply:
        """Where the time went since `start_count`."""
        return Supply(
            total_s=time.perf_counter() - self._started_s,
            loading_s=self._chunks.loading_s,
            drawing_s=self._getting_s - self._chunks.loading_s,
            views=self._views,
            repeats=self.pool.repeats - self._repeats,
        )


@dataclass(slots=True)
class _Timed:
    """Chunks, and the seconds spent waiting for them."""

    chunks: Chunks
    loading_s: float = 0.0

    def ready(self, number: int) -> bool:
        return self.chunks.ready(number)

    def load(self, number: int) -> Sequence[Labelled]:
        started_s = time.perf_counter()
        windows = self.chunks.load(number)
        self.loading_s += time.perf_counter() - started_s
        return windows

    def release(self, number: int) -> None:
        self.chunks.release(number)
