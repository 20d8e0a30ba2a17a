"""Who is run next: every stream its fair share of the network, answers that are due first among equals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service.batched_stream import BatchedStream
from service.pace import Pace

_HEAD_START = 2.0
"""An answer that is due goes ahead of streams that have had up to this many times its rows less."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A stream's next steps, so many as one."""

    stream: BatchedStream[Any]
    size: int


class Shares:
    """Fair queueing by rows: the stream that has had least comes first.

    One that comes back after a pause begins where the others are, so that nobody saves up.

    Args:
        pace: what rows cost.
        step_s: duration of a model's step.
    """

    def __init__(self, pace: Pace, step_s: float) -> None:
        self._pace, self._step_s = pace, step_s
        self._level = 0.0  # least rows of a stream that has had work to do all the time

    def awake(self, stream: BatchedStream[Any]) -> None:
        """A stream that had nothing to do has a step now."""
        stream.used = max(stream.used, self._level)

    def next(self, ready: Sequence[BatchedStream[Any]]) -> list[Turn]:
        """Whose turn it is, and with how many steps as one: those streams that a run should begin with."""
        self._level = max([self._level, *([min(stream.used for stream in ready)] if ready else [])])
        loads = [stream.load for stream in ready]
        turns = [
            Turn(stream, stream.size(self._crowd(load, loads)) if stream.joins else 1)
            for stream, load in zip(ready, loads, strict=True)
        ]
        return sorted(turns, key=self._rank)

    def most_rows(self) -> int:
        """After so many rows a run has lasted long enough: others wait, and newer steps come."""
        return self._pace.rows_within(self._step_s)

    def had(self, stream: BatchedStream[Any], rows: int) -> None:
        """A stream had its turn."""
        stream.used += rows

    def _crowd(self, load: int, loads: Sequence[int]) -> int:
        """How many steps of a stream must be run as one, for what waits to be done in the time of a step.

        Others count with what is their fair share while this one is served.
        """
        rows = sum(min(load, other) for other in loads)
        return max(1, math.ceil(self._pace.seconds(rows) / self._step_s))

    def _rank(self, turn: Turn) -> tuple[float, float]:
        stream = turn.stream
        ahead = _HEAD_START * stream.load / len(stream.pending) if stream.is_due(turn.size) else 0.0
        return stream.used - ahead, stream.pending[0].ready_s
