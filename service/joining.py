"""`Joined`: steps of one stream that the network takes as one, their counts added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from streaming.step import Step

Counts = NDArray[np.uint16]
Token = TypeVar("Token")
Token_co = TypeVar("Token_co", covariant=True)

MOST_COUNT = np.iinfo(np.uint16).max


@dataclass(slots=True)
class Pending(Generic[Token]):
    """A step that waits to be run.

    Attributes:
        step: its counts stay as they are until its outcome is given.
        token: given back with the outcome.
        ready_s: `time.monotonic()` at which it was complete.
        restart: forget the state before it.
        ends_tracks: it is another scene, not only another window.
        joins: it may be run as one with the step before it.
    """

    step: Step
    token: Token
    ready_s: float
    restart: bool = False
    ends_tracks: bool = False
    joins: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Joined(Generic[Token_co]):
    """One step for the network, made of one or more of a stream's.

    Attributes:
        counts: (2, H, W) uint16, their sum; saturates at 65535.
        t_us: (start of the first, end of the last), microseconds.
        events: of all.
        steps: how many there are.
        token: of the last one.
        ready_s: of the last one.
    """

    counts: Counts
    t_us: tuple[int, int]
    events: int
    steps: int
    token: Token_co
    ready_s: float


class Joiner:
    """Adds up counts in a buffer of its own, which is kept."""

    def __init__(self) -> None:
        self._sum = np.zeros((0, 0, 0), np.uint32)

    def joined(self, pendings: Sequence[Pending[Token]]) -> Joined[Token]:
        """All of them as one; the counts of a single one are not copied."""
        first, last = pendings[0].step, pendings[-1]
        return Joined(
            first.counts
            if len(pendings) == 1
            else self._added([pending.step.counts for pending in pendings]),
            (first.t_us[0], last.step.t_us[1]),
            sum(pending.step.events for pending in pendings),
            len(pendings),
            last.token,
            last.ready_s,
        )

    def _added(self, counts: Sequence[Counts]) -> Counts:
        if self._sum.shape != counts[0].shape:
            self._sum = np.zeros(counts[0].shape, np.uint32)
        np.add(counts[0], counts[1], out=self._sum, dtype=np.uint32)
        for more in counts[2:]:
            self._sum += more
        return np.minimum(self._sum, MOST_COUNT).astype(np.uint16)
