"""`Pool`: a bounded, shuffled set of windows that new chunks flow through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.augment import Labelled


class Chunks(Protocol):
    """Numbered chunks of windows; number k always holds the same ones."""

    def ready(self, number: int) -> bool:
        """Whether `load` would return at once."""
        ...

    def load(self, number: int) -> Sequence[Labelled]:
        """The windows of a chunk, after waiting for it if need be."""
        ...

    def release(self, number: int) -> None:
        """No window of the chunk will be asked for again."""
        ...


@dataclass(slots=True, eq=False)
class _Entry:
    chunk: int
    row: int
    left: int
    window: Labelled


class Pool:
    """Windows drawn at random, each `views` times, then replaced by new ones.

    Without `wait` the pool starts with `start` windows and takes the chunks that are ready; where they come
    too slowly it keeps half its capacity and shows those windows more often. With `wait` it fills up before
    every draw, and the draws depend on nothing but the seed.
    """

    def __init__(self, chunks: Chunks, *, capacity: int, views: int, wait: bool, start: int = 256) -> None:
        self.chunks = chunks
        self.capacity = capacity
        self.views = views
        self.wait = wait
        self.start = min(start, capacity)
        self.floor = capacity // 2
        self.next_chunk = 0
        self.repeats = 0  # draws of windows that were due to make place
        self._entries: list[_Entry] = []
        self._in_use: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def draw(self, rng: np.random.Generator, count: int) -> list[Labelled]:
        """`count` windows, waiting for chunks where there are too few."""
        self._fill()
        return [self._take(int(rng.integers(len(self._entries)))) for _ in range(count)]

    def position(self) -> NDArray[np.int64]:
        """What `restore` needs: (1 + n, 3), the next chunk, then chunk, row and views left of each window."""
        rows = [[entry.chunk, entry.row, entry.left] for entry in self._entries]
        return np.array([[self.next_chunk, 0, 0], *rows], np.int64)

    def restore(self, position: NDArray[np.int64]) -> None:
        """Hold the same windows in the same order as when `position` was taken."""
        self.next_chunk = int(position[0, 0])
        loaded = {int(number): self.chunks.load(int(number)) for number in np.unique(position[1:, 0])}
        self._entries = [_Entry(c, r, left, loaded[c][r]) for c, r, left in position[1:].tolist()]
        numbers, uses = np.unique(position[1:, 0], return_counts=True)
        self._in_use = dict(zip(numbers.tolist(), uses.tolist(), strict=True))

    def _fill(self) -> None:
        while len(self._entries) < self.capacity and (
            self.wait or len(self._entries) < self.start or self.chunks.ready(self.next_chunk)
        ):
            windows = self.chunks.load(self.next_chunk)
            self._in_use[self.next_chunk] = len(windows)
            self._entries += [_Entry(self.next_chunk, row, self.views, w) for row, w in enumerate(windows)]
            self.next_chunk += 1

    def _take(self, at: int) -> Labelled:
        entry = self._entries[at]
        self.repeats += entry.left <= 0
        entry.left -= 1
        if entry.left <= 0 and (self.wait or len(self._entries) > self.floor):
            self._entries[at] = self._entries[-1]
            self._entries.pop()
            self._release(entry.chunk)
        return entry.window

    def _release(self, chunk: int) -> None:
        self._in_use[chunk] -= 1
        if not self._in_use[chunk]:
            del self._in_use[chunk]
            self.chunks.release(chunk)


class DirectChunks:
    """Chunks made in this process when they are asked for."""

    def __init__(self, make: Callable[[int], Sequence[Labelled]]) -> None:
        self._make = make

    def ready(self, number: int) -> bool:
        return False

    def load(self, number: int) -> Sequence[Labelled]:
        return self._make(number)

    def release(self, number: int) -> None:
        return None
