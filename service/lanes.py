"""`Lane`: a running state of a stream; `LaneRunner`: steps lanes of any streams in batches.

Leading empty steps always lead to the same states, which are computed once and taken from a table when the
first event comes: steps without events need no inference, and the state stays right all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.detector import Detector
from model.engines.base import Activity, StepOutput
from model.state import State, split, stack
from service.answers import Latency, Spikes
from service.joining import Counts, Joined

Maps = tuple[NDArray[np.float32], ...]

WARM_ROWS = 4


@dataclass(slots=True)
class Lane:
    """One running state.

    Attributes:
        start: index of the step with which its window begins.
        begun_us: where that step begins.
        empties: leading steps without events, not run.
        state: None before the first step with events.
        maps: of the last step run; none before.
        spikes: of all steps run, added up (`rate` too).
        steps: network steps it looked at, run or not.
        joined: how many more steps of the stream those were made of.
    """

    start: int
    begun_us: int = 0
    empties: int = 0
    state: State | None = None
    maps: Maps = ()
    spikes: Spikes = field(default_factory=Spikes)
    steps: int = 0
    joined: int = 0


@dataclass(slots=True)
class Row:
    """One row of a batch: `lane` takes `counts` from `state`."""

    lane: Lane
    state: State
    counts: Counts


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What an answer is made from.

    Attributes:
        maps: none where there were no events.
        t_us: (start, end) of the steps looked at.
        steps: network steps, at most the model's T.
        joined: how many more steps of the stream those were made of.
        spikes: of the network, `rate` as a mean over its steps.
    """

    maps: Maps
    t_us: tuple[int, int]
    steps: int
    joined: int
    spikes: Spikes


class Look(Protocol):
    """How a stream is looked at: in windows (`service/window_lanes.py`), or rolling (`rolling_lane.py`)."""

    def width(self, index: int, events: int) -> int:
        """Rows that a step costs which comes as step `index` with so many events."""

    def take(self, index: int, joined: Joined[object]) -> list[Row]:
        """Accounts for the steps from `index` on; the rows that must be run for them."""

    def seen(self, count: int) -> Seen:
        """What there is after `count` steps, all rows run; asked once an answer."""

    def prune(self, count: int) -> None:
        """Lets go of what no answer after `count` steps looks at."""

    def clear(self) -> None:
        """Begins anew."""


class LaneRunner:
    """Runs rows on a detector.

    Args:
        detector: what steps.
        max_batch: most rows of one batch.
        clock: monotonic seconds.
    """

    def __init__(self, detector: Detector, max_batch: int, clock: Callable[[], float]) -> None:
        self._detector, self._max_batch, self._clock = detector, max_batch, clock
        self._prefixes: list[Lane] = []  # lanes after 1, 2, ... empty steps from zero

    def row(self, lane: Lane, counts: Counts) -> Row:
        """The row of a lane's next step, its leading empty steps made up for."""
        if lane.state is None and lane.empties:
            prefix = self._prefix(lane.empties)
            lane.state, lane.spikes = prefix.state, prefix.spikes
        if lane.state is None:
            lane.state = self._detector.initial_state(1)
        return Row(lane, lane.state, counts)

    def run(self, rows: Iterable[Row]) -> Latency:
        """Steps the rows' lanes; the latency has `encode` and `infer`, milliseconds summed over batches."""
        encode_s = infer_s = 0.0
        remaining = iter(rows)
        while batch := list(islice(remaining, self._max_batch)):
            begun_s = self._clock()
            counts = np.stack([row.counts for row in batch])  # (B, 2, H, W)
            state = batch[0].state if len(batch) == 1 else stack([row.state for row in batch])
            gathered_s = self._clock()
            output = self._detector.step(counts, state)
            infer_s += self._clock() - gathered_s
            encode_s += gathered_s - begun_s
            self._scatter(batch, output)
        return Latency(encode=encode_s * 1e3, infer=infer_s * 1e3)

    def warm_up(self, empties: int) -> tuple[float, float]:
        """Runs that many empty steps, and a batch of `WARM_ROWS`; seconds of the fastest of each size."""
        ones = [self._timed(1) for _ in range(2)]
        self._prefix(empties)
        return min(ones), min(self._timed(min(WARM_ROWS, self._max_batch)) for _ in range(2))

    def _timed(self, rows: int) -> float:
        state, zeros = self._detector.initial_state(1), self._zeros()
        begun_s = self._clock()
        self.run([Row(Lane(0), state, zeros) for _ in range(rows)])
        return self._clock() - begun_s

    def _prefix(self, empties: int) -> Lane:
        """A lane after `empties` steps without events; its state is a value, so sharing it is safe."""
        while len(self._prefixes) < empties:
            last = self._prefixes[-1] if self._prefixes else Lane(0, state=self._detector.initial_state(1))
            lane = replace(last)
            assert lane.state is not None
            self.run([Row(lane, lane.state, self._zeros())])
            self._prefixes.append(lane)
        return self._prefixes[empties - 1]

    def _zeros(self) -> Counts:
        width, height = self._detector.card.grid
        return np.zeros((self._detector.card.count_channels, height, width), np.uint16)

    def _scatter(self, batch: Sequence[Row], output: StepOutput) -> None:
        states = [output.state] if len(batch) == 1 else split(output.state)
        for at, (row, state) in enumerate(zip(batch, states, strict=True)):
            row.lane.state = state
            row.lane.maps = tuple(level[at : at + 1] for level in output.maps)
            row.lane.spikes = self._added(row.lane.spikes, output.activity, at)

    def _added(self, spikes: Spikes, activity: Activity, row: int) -> Spikes:
        """`spikes` with those of one step more; `rate` is a sum here and divided by steps when answered."""
        return Spikes(
            spikes.rate + float(activity.rate[row].mean()),
            spikes.synops + float(activity.synops[row]),
            spikes.energy_mj + float(self._detector.energy(activity)[row]),
        )
