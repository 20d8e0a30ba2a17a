"""`TrainingData`: where windows for training and for validation come from."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from model.card import EVENT_ENCODINGS, Encoding
from training.augment import Labelled
from training.datasets import Split
from training.datasets.pool import Chunks


class TrainingData(Protocol):
    """Endless windows to learn from and a fixed set, never learnt from, to measure on."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def encoding(self) -> Encoding | None:
        """The one encoding that reads the windows; None for counts of events, which several read."""
        ...

    @property
    def split(self) -> Split | None:
        """The split of the fixed set; None where the data has none, as simulated windows."""
        ...

    def chunks(self, first: int) -> AbstractContextManager[Chunks]:
        """Chunks to learn from; number `first` is the first that was not asked for before."""
        ...

    def held_out(self, count: int) -> Sequence[Labelled]:
        """The first `count` windows of the fixed set."""
        ...

    def describe(self) -> dict[str, Any]:
        """What the card says of the data, as JSON values."""
        ...


def readable_by(data: TrainingData) -> tuple[Encoding, ...]:
    """The encodings that read its windows."""
    return EVENT_ENCODINGS if data.encoding is None else (data.encoding,)
