"""Mixtures: shares by weight, one list of classes, always alike."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from model.card import Encoding
from training.datasets import LabelledWindow
from training.datasets.mixture import Mixture, Share
from training.datasets.pool import Chunks, DirectChunks, Pool
from training.errors import BadDataset


def marked(mark: int, label: list[int]) -> LabelledWindow:
    """A window whose count is `mark`, with a box of each label."""
    cell, count = np.array([3], np.uint32), np.array([mark], np.uint8)
    boxes = np.tile(np.array([[0, 0, 4, 4]], np.float32), (len(label), 1))
    return LabelledWindow((1, 2, 8, 8), cell, count, boxes, np.array(label), boxes[:0])


@dataclass
class Marked:
    """Chunk k holds two windows of count `first + k`; held-out ones count 100 + `first` and up."""

    first: int
    classes: tuple[str, ...]
    windows: int = 50
    encoding: Encoding | None = None
    asked: list[int] = field(default_factory=list)

    @contextlib.contextmanager
    def chunks(self, first: int) -> Iterator[Chunks]:
        self.asked.append(first)
        labels = list(range(len(self.classes)))
        yield DirectChunks(lambda number: [marked(self.first + number, labels)] * 2)

    def held_out(self, count: int) -> Sequence[LabelledWindow]:
        return [marked(100 + self.first + k, [0]) for k in range(min(count, self.windows))]

    def describe(self) -> dict[str, Any]:
        return {"data": f"marked {self.first}"}


def mixture() -> Mixture:
    simulated = Marked(0, ("person", "car", "two-wheeler"))
    recorded = Marked(50, ("car", "person"))
    return Mixture([Share(simulated, 0.75, "sim"), Share(recorded, 0.25, "gen1")])


def test_chunks_come_by_weight_with_labels_of_one_list() -> None:
    data = mixture()
    with data.chunks(0) as chunks:
        row = [chunks.load(k)[1] for k in range(8)]
    marks = [int(window.count[0]) for window in row]
    assert sorted(marks) == [0, 1, 2, 3, 4, 5, 50, 51]
    assert [mark >= 50 for mark in marks].index(True) < 4  # and not all of one share first
    assert data.classes == ("person", "car", "two-wheeler")
    for window, mark in zip(row, marks, strict=True):
        assert window.label.tolist() == ([0, 1, 2] if mark < 50 else [1, 0])


def test_a_later_start_goes_on_in_every_share() -> None:
    data = mixture()
    with data.chunks(0) as chunks:
        expected = [int(chunks.load(k)[0].count[0]) for k in range(12)]
    with data.chunks(6) as chunks:
        assert [int(chunks.load(k)[0].count[0]) for k in range(6, 12)] == expected[6:]
        assert not chunks.ready(6)
        chunks.release(6)
    asked = [share.data.asked for share in data.shares]
    assert [sum(each) for each in zip(*asked, strict=True)] == [0, 6]


def test_a_pool_fills_from_all_shares() -> None:
    with mixture().chunks(0) as chunks:
        windows = Pool(chunks, capacity=40, views=1, wait=True).draw(np.random.default_rng(0), 40)
    share = np.mean([window.count[0] >= 50 for window in windows])
    assert 0.1 < share < 0.4


def test_held_out_windows_come_by_weight_too() -> None:
    held_out = mixture().held_out(40)
    recorded = [window for window in held_out if window.count[0] >= 150]
    assert (len(held_out), len(recorded)) == (40, 10)
    assert all(window.label.tolist() == [1] for window in recorded)
    assert [w.count[0] for w in mixture().held_out(5)] == [w.count[0] for w in held_out[:5]]
    short = Mixture([Share(Marked(0, ("car",), windows=3), 1, "a"), Share(Marked(50, ("car",)), 1, "b")])
    assert len(short.held_out(20)) == 13


def test_it_tells_its_shares_and_what_they_lack() -> None:
    told = mixture().describe()
    assert [share["share"] for share in told["shares"]] == [0.75, 0.25]
    assert [share["classes_without_labels"] for share in told["shares"]] == [[], ["two-wheeler"]]


@pytest.mark.parametrize("weights", [[], [1, 0]])
def test_weights_must_be_positive(weights: list[float]) -> None:
    with pytest.raises(BadDataset, match="each needs a weight above 0"):
        Mixture([Share(Marked(0, ("car",)), weight, "a") for weight in weights])
