"""`Shares`: who is run next, with how many steps as one; every stream gets its fair share of the network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from service.batched_stream import BatchedStream
from service.pace import Pace

_HEAD_START = 2.0
"""An answer that is due goes ahead of streams that have had up to this many times its rows less."""
_SLOW = 0.5
"""A network whose rows take a larger part of a step than this is spared pieces that would delay an answer."""


@dataclass(slots=True)
class Turn:
    """A stream's next steps, so many as one.

    Attributes:
        stream: whose.
        size: how many.
        due: whether they bring an answer.
        rank: what the stream has had, less its head start; the smallest comes first.
    """

    stream: BatchedStream[Any]
    size: int
    due: bool
    rank: float


@dataclass(slots=True)
class Choice:
    """What to run.

    Attributes:
        turns: of different streams.
        wake_s: where there is none, because steps wait for those that follow them: until when at most.
    """

    turns: list[Turn] = field(default_factory=list)
    wake_s: float = math.inf


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

    def had(self, stream: BatchedStream[Any], rows: int) -> None:
        """A stream had its turn."""
        stream.used += rows

    def choose(self, ready: Sequence[BatchedStream[Any]], now_s: float) -> Choice:
        """Whose turn it is of those that have steps.

        A run lasts about as long as a step: then newer steps are there, and answers are due. Nobody takes
        part whose place is behind the next step of one that does: it would delay it.
        """
        if ready:
            self._level = max(self._level, min(stream.used for stream in ready))
        choice, rows, last_rank = Choice(), 0, math.inf
        most_rows = self._pace.rows_within(self._step_s)
        for turn in self._by_rank(ready):
            stream = turn.stream
            if rows >= most_rows or turn.rank > last_rank:
                break
            until_s = self._held_until_s(turn, now_s)
            if until_s > now_s:
                choice.wake_s = min(choice.wake_s, until_s)
                continue
            choice.turns.append(turn)
            rows += stream.width
            if len(stream.pending) > turn.size:
                last_rank = min(last_rank, turn.rank + stream.width)
        return choice

    def _by_rank(self, ready: Sequence[BatchedStream[Any]]) -> list[Turn]:
        loads = [stream.load for stream in ready]
        turns = [self._turn(stream, load, loads) for stream, load in zip(ready, loads, strict=True)]
        return sorted(turns, key=lambda turn: (turn.rank, turn.stream.pending[0].ready_s))

    def _turn(self, stream: BatchedStream[Any], load: int, loads: Sequence[int]) -> Turn:
        size = stream.size(self._crowd(load, loads)) if stream.joins else 1
        due = stream.is_due(size)
        return Turn(stream, size, due, stream.used - (_HEAD_START * stream.width if due else 0.0))

    def _crowd(self, load: int, loads: Sequence[int]) -> int:
        """How many steps of a stream must be run as one, for what waits to be done in the time of a step.

        Others count with what is their fair share while this one is served.
        """
        rows = sum(min(load, other) for other in loads)
        return max(1, math.ceil(self._pace.seconds(rows) / self._step_s))

    def _held_until_s(self, turn: Turn, now_s: float) -> float:
        """Until when steps wait to be run as one with those that follow them; `now_s` for not at all.

        They do where the network is slow and would still be at them when the step comes that an answer ends
        with. Should that not come within a step's time of when it is expected, they are run without it.
        """
        stream = turn.stream
        alone = len(stream.pending) > turn.size or not stream.pending[0].joins
        cost_s = self._pace.seconds(stream.width)
        if alone or turn.due or cost_s <= _SLOW * self._step_s:
            return now_s
        following = stream.plan.next_answer(stream.count) - stream.count - turn.size
        due_s = stream.pending[-1].ready_s + following * self._step_s
        return due_s + self._step_s if now_s + cost_s > due_s else now_s
