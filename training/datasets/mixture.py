"""`Mixture`: several kinds of training data as one, by weight."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.card import Encoding
from training.augment import Labelled
from training.data import TrainingData
from training.datasets import Split
from training.datasets.pool import Chunks
from training.datasets.relabel import labels_in, relabelled
from training.errors import BadDataset


@dataclass(frozen=True, slots=True)
class Share:
    """One kind of data of a mixture.

    Attributes:
        data: windows.
        weight: how many of its chunks come, relative to the others'.
        name: for people.
    """

    data: TrainingData
    weight: float
    name: str


class Mixture:
    """`training.data.TrainingData` whose chunks come from its shares in turn, by weight and always alike.

    Classes of one name are one class, in the order of their first appearance. A share that lacks a class has
    no labels of it: what is seen of it there is unknown, and is taken for background. Weigh such shares
    lightly, or take data sets of the same classes.

    Args:
        shares: at least one.

    Raises:
        BadDataset: no share, a weight that is not positive, or pictures beside events.
    """

    split: Split | None = None

    def __init__(self, shares: Sequence[Share]) -> None:
        if not shares or not all(share.weight > 0 for share in shares):
            weights = ", ".join(f"{share.name}*{share.weight:g}" for share in shares)
            raise BadDataset(f"found the shares {weights or 'none'}; each needs a weight above 0")
        self.shares = tuple(shares)
        self.encoding = self._encoding()
        self.classes = tuple(dict.fromkeys(name for share in shares for name in share.data.classes))

    @contextlib.contextmanager
    def chunks(self, first: int) -> Iterator[Chunks]:
        """As `TrainingData.chunks`."""
        turns = _Turns([share.weight for share in self.shares])
        firsts = zip(self.shares, turns.before(first), strict=True)
        with contextlib.ExitStack() as opened:
            sources = [opened.enter_context(share.data.chunks(number)) for share, number in firsts]
            yield _MixedChunks(sources, [self._labels(share) for share in self.shares], turns)

    def held_out(self, count: int) -> Sequence[Labelled]:
        """The first `count` windows of the shares' fixed sets, taken in turn by weight."""
        turns = _Turns([share.weight for share in self.shares])
        each = [share.data.held_out(n) for share, n in zip(self.shares, turns.before(count), strict=True)]
        windows = []
        for number in range(count):
            share, at = turns.turn(number)
            if at < len(each[share]):
                windows.append(relabelled(each[share][at], self._labels(self.shares[share])))
        return windows

    def describe(self) -> dict[str, Any]:
        """As `TrainingData.describe`."""
        total = sum(share.weight for share in self.shares)
        return {
            "data": " and ".join(share.name for share in self.shares),
            "classes": list(self.classes),
            "shares": [
                {
                    "share": round(share.weight / total, 4),
                    "classes_without_labels": [n for n in self.classes if n not in share.data.classes],
                    **share.data.describe(),
                }
                for share in self.shares
            ],
        }

    def _encoding(self) -> Encoding | None:
        encoding, *others = {share.data.encoding for share in self.shares}
        if others:
            pictures = ", ".join(share.name for share in self.shares if share.data.encoding is not None)
            raise BadDataset(
                f"found {pictures} in a mixture; it holds pictures, which do not go with events. Train on "
                "pictures alone"
            )
        return encoding

    def _labels(self, share: Share) -> NDArray[np.int64]:
        """Label in the mixture of each label of the share."""
        return labels_in(self.classes, share.data.classes)


class _Turns:
    """Whose turn it is: the share that lags its weight most, the earlier one of equals."""

    def __init__(self, weights: Sequence[float]) -> None:
        self._weights = np.array(weights) / sum(weights)
        self._turns: list[tuple[int, int]] = []
        self._taken = np.zeros(len(weights), np.int64)

    def turn(self, number: int) -> tuple[int, int]:
        """The share of a turn, and how many turns it had before."""
        while len(self._turns) <= number:
            lag = self._weights * (len(self._turns) + 1) - self._taken
            share = int(np.argmax(lag))
            self._turns.append((share, int(self._taken[share])))
            self._taken[share] += 1
        return self._turns[number]

    def before(self, number: int) -> list[int]:
        """How many of the first `number` turns each share has."""
        shares = [self.turn(k)[0] for k in range(number)]
        return [shares.count(at) for at in range(len(self._weights))]


class _MixedChunks:
    """Chunks of several sources as one row."""

    def __init__(self, sources: Sequence[Chunks], labels: Sequence[NDArray[np.int64]], turns: _Turns) -> None:
        self._sources = sources
        self._labels = labels
        self._turns = turns

    def ready(self, number: int) -> bool:
        share, at = self._turns.turn(number)
        return self._sources[share].ready(at)

    def load(self, number: int) -> list[Labelled]:
        share, at = self._turns.turn(number)
        return [relabelled(window, self._labels[share]) for window in self._sources[share].load(at)]

    def release(self, number: int) -> None:
        share, at = self._turns.turn(number)
        self._sources[share].release(at)
