"""`RecordedData`: training data of a data set on disk, shuffled over all its recordings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.card import Encoding
from training.datasets import Cut, DataSet, Split
from training.datasets.cache import OnPrepare, Prepared, PrepareProgress, prepare
from training.datasets.pack import PackedWindow
from training.datasets.pool import Chunks
from training.errors import BadDataset

CHUNK = 64
AHEAD = 8
HELD_OUT: tuple[Split, ...] = ("val", "test")
"""The first of these splits that has recordings is never learnt from."""


class RecordedData:
    """`training.data.TrainingData` of recordings; windows are cut and cached when they are first needed.

    Args:
        data: the data set.
        cut: how windows are cut.
        cache: folder of the cache of this data set.
        split: what is never learnt from; the first of `HELD_OUT` that has recordings where None.
        seed: of the order.
        threads: recordings read at once, and later chunks.
        on_progress: told how far the recordings are read.
    """

    encoding: Encoding | None = None

    def __init__(
        self,
        data: DataSet,
        cut: Cut,
        cache: Path,
        *,
        split: Split | None = None,
        seed: int = 0,
        threads: int = 1,
        on_progress: OnPrepare | None = None,
    ) -> None:
        self.data = data
        self.cut = cut
        self._cache = cache
        self._asked: tuple[Split, ...] = HELD_OUT if split is None else (split,)
        self._seed = seed
        self._threads = threads
        self._on_progress = on_progress

    @property
    def classes(self) -> tuple[str, ...]:
        return self.data.classes

    @cached_property
    def split(self) -> Split:
        """As `TrainingData.split`."""
        for split in self._asked:
            if self.data.parts(split):
                return split
        raise BadDataset(
            f"the data set has no recording in {' or '.join(self._asked)}, so that nothing could be "
            "measured; name a split that has some, or move a tenth of the recordings of train to val"
        )

    @contextlib.contextmanager
    def chunks(self, first: int) -> Iterator[Chunks]:
        """Chunks without end: each epoch all windows in an order of its own, whatever recordings they are of.

        The held-out split is prepared too, so that what is wrong with it is said before hours of training.

        Raises:
            BadDataset: the data set is bad, or has no box to learn from.
        """
        learnt, _ = self._train, self._held_out
        with ThreadPoolExecutor(self._threads) as pool:
            chunks = _Shuffled(learnt, self._seed, pool)
            try:
                yield chunks
            finally:
                chunks.close()

    def held_out(self, count: int) -> Sequence[PackedWindow]:
        """The first `count` windows of the held-out split, mixed over its recordings, or all it has."""
        prepared = self._held_out
        table = _Table(prepared)
        return [table[int(at)] for at in _order(0, 0, prepared.windows)[:count]]

    def describe(self) -> dict[str, Any]:
        return {
            **self.data.describe(),
            "cut": asdict(self.cut),
            "train": self._train.to_json(),
            "held_out": {"split": self.split, **self._held_out.to_json()},
        }

    @cached_property
    def _train(self) -> Prepared:
        if not self.data.parts("train"):
            raise BadDataset(
                "the data set has no recording in train, so that there is nothing to learn from; unpack that "
                "split too"
            )
        prepared = self._prepared("train")
        if not any(prepared.boxes.values()):
            raise BadDataset(
                f"no box of {', '.join(self.classes)} in the {prepared.windows} windows of the split train, "
                f"but {prepared.ignored} regions to ignore. Are the labels of other classes, or all boxes "
                f"smaller than {self.cut.rule.min_side_px:g} px a side and {self.cut.rule.min_diagonal_px:g} "
                f"px across, or all labels in the first {self.cut.rule.skip_us} us of a recording?"
            )
        self._warn("train", prepared)
        return prepared

    @cached_property
    def _held_out(self) -> Prepared:
        prepared = self._prepared(self.split)
        if not prepared.windows:
            raise BadDataset(
                f"the split {self.split} has recordings but no window to measure on; labels in the "
                f"first {self.cut.rule.skip_us} us of a recording are left out"
            )
        self._warn(self.split, prepared)
        return prepared

    def _prepared(self, split: Split) -> Prepared:
        return prepare(
            self.data, split, self.cut, self._cache, threads=self._threads, on_progress=self._on_progress
        )

    def _warn(self, split: Split, prepared: Prepared) -> None:
        missing = [name for name, count in prepared.boxes.items() if not count]
        if missing and self._on_progress:
            parts = len(prepared.packs)
            text = f"no box of {', '.join(missing)} in the split {split}: these classes are not learnt"
            if split != "train":
                text = f"no box of {', '.join(missing)} in the split {split}: these classes are not measured"
            self._on_progress(PrepareProgress(split, parts, parts, prepared.windows, text))


class _Table:
    """All windows of a split as one row of them."""

    def __init__(self, prepared: Prepared) -> None:
        self._packs = prepared.packs
        self._ends = np.cumsum([len(pack) for pack in prepared.packs])

    def __getitem__(self, at: int) -> PackedWindow:
        pack = int(np.searchsorted(self._ends, at, side="right"))
        return self._packs[pack][at - (int(self._ends[pack - 1]) if pack else 0)]


class _Shuffled:
    """Chunks of epoch after epoch, read a few ahead."""

    def __init__(self, prepared: Prepared, seed: int, pool: ThreadPoolExecutor) -> None:
        self._table = _Table(prepared)
        self._count = prepared.windows
        self._seed = seed
        self._pool = pool
        self._coming: dict[int, Future[list[PackedWindow]]] = {}

    def ready(self, number: int) -> bool:
        return self._ask(number).done()

    def load(self, number: int) -> list[PackedWindow]:
        windows = self._ask(number).result()
        del self._coming[number]
        return windows

    def release(self, number: int) -> None:
        return None

    def close(self) -> None:
        for future in self._coming.values():
            future.cancel()

    def _ask(self, number: int) -> Future[list[PackedWindow]]:
        for k in range(number, number + AHEAD):
            if k not in self._coming:
                self._coming[k] = self._pool.submit(self._read, k)
        return self._coming[number]

    def _read(self, number: int) -> list[PackedWindow]:
        return [self._table[self._at(place)] for place in range(number * CHUNK, (number + 1) * CHUNK)]

    def _at(self, place: int) -> int:
        epoch, within = divmod(place, self._count)
        return int(_order(self._seed, epoch, self._count)[within])


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(count)
