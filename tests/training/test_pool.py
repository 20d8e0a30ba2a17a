"""The pool shows every window as often as asked, goes on where it stopped, and never starves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from training.datasets import LabelledWindow
from training.datasets.chunks import load_chunk, save_chunk
from training.datasets.pool import Pool

NOTHING = (np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros((0, 4), np.float32))


class Numbered:
    """Chunks of four windows; window `i` has `i + 1` events a cell. The first `ready` ones are ready."""

    def __init__(self, ready: int) -> None:
        self.count = ready
        self.released: list[int] = []

    def ready(self, number: int) -> bool:
        return number < self.count

    def load(self, number: int) -> list[LabelledWindow]:
        return [_window(4 * number + k) for k in range(4)]

    def release(self, number: int) -> None:
        self.released.append(number)


def _window(number: int) -> LabelledWindow:
    counts = np.full((1, 2, 1, 1), 0)
    counts[0, 0] = number + 1
    return LabelledWindow.of(counts, *NOTHING)


def numbers(windows: list[LabelledWindow]) -> list[int]:
    return [int(window.count[0]) - 1 for window in windows]


def test_every_window_is_seen_so_often_and_then_replaced() -> None:
    chunks = Numbered(ready=100)
    pool = Pool(chunks, capacity=16, views=3, wait=True)
    rng = np.random.default_rng(0)
    seen = Counter(n for _ in range(60) for n in numbers(pool.draw(rng, 4)))
    assert max(seen.values()) == 3
    assert sum(seen.values()) == 240
    assert chunks.released
    assert all(seen[4 * number + k] == 3 for number in chunks.released for k in range(4))


def test_a_slow_generator_keeps_half_the_pool_in_use() -> None:
    pool = Pool(Numbered(ready=4), capacity=16, views=2, wait=False, start=4)
    rng = np.random.default_rng(0)
    drawn = [numbers(pool.draw(rng, 4)) for _ in range(40)]
    assert len(pool) == 8
    assert len(set(drawn[-1] + drawn[-2] + drawn[-3])) > 4


def test_a_restored_pool_draws_the_same() -> None:
    pool = Pool(Numbered(ready=100), capacity=16, views=3, wait=True)
    rng = np.random.default_rng(1)
    for _ in range(7):
        pool.draw(rng, 4)
    state, position = rng.bit_generator.state, pool.position()
    wanted = [numbers(pool.draw(rng, 4)) for _ in range(10)]
    again = Pool(Numbered(ready=100), capacity=16, views=3, wait=True)
    again.restore(position)
    rng.bit_generator.state = state
    assert [numbers(again.draw(rng, 4)) for _ in range(10)] == wanted


def test_chunks_survive_the_disk(tmp_path: Path, square_window: Callable[..., LabelledWindow]) -> None:
    windows = [square_window(k) for k in range(5)]
    path = tmp_path / "chunk.npz"
    save_chunk(path, windows)
    for before, after in zip(windows, load_chunk(path), strict=True):
        assert before.shape == after.shape
        for name in ("cell", "count", "xyxy", "label", "ignore"):
            assert np.array_equal(getattr(before, name), getattr(after, name)), name


def test_sparse_windows_hold_the_dense_counts() -> None:
    counts = np.random.default_rng(0).poisson(0.3, (5, 2, 20, 30))
    counts[0, 0, 0, 0] = 700
    dense = LabelledWindow.of(counts, *NOTHING).dense()
    assert dense[0, 0, 0, 0] == 255
    assert np.array_equal(dense.reshape(-1)[1:], counts.reshape(-1)[1:])
