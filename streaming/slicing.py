"""`Stepper`: packets of any size in, `Step`s of equal duration out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np
from numba import types
from numpy.typing import NDArray

from streaming.compiled import I64, READ_I32, READ_I64, READ_U8, READ_U16, compiled
from streaming.errors import BrokenRecording
from streaming.events import Events, backward_time, outside_sensor
from streaming.letterbox import Letterbox
from streaming.step import ResetReason, Step

DEFAULT_MAX_GAP_US = 1_000_000
FARTHEST_US = 1 << 61
"""Times beyond +-73 000 years are forged; refusing them keeps sums of times inside int64."""

Counts: TypeAlias = NDArray[np.uint16]
Allocate: TypeAlias = Callable[[], Counts]


class Stepper:
    """Adds events straight into the model's grid, one `Step` per `step_us`.

    ::

        events     |  | ||    |              |   |                          ||  |
        steps      [----------)[-----------)[-----------)        gap        [----------)
                   reset=start  quiet: zeros             > max_gap_us       reset=gap

    Steps begin at the first event (or at `start_us`) and follow each other; an event at exactly a step's end
    belongs to the next one. Between two events at most `max_gap_us` apart, quiet steps come out as zeros;
    after a longer silence (or a forged timestamp) stepping begins anew at the next event with
    `reset="gap"`. A packet that begins before the newest event ends the running step and begins anew with
    `reset="backward_time"`: counts of both never mix. How a stream is cut into packets makes no difference.

    Args:
        letterbox: sensor size and grid size; steps are (2, grid_height, grid_width).
        step_us: duration of a step, microseconds.
        start_us: time of the first step's start; earlier events are skipped. None for the first event.
        max_gap_us: longest silence filled with zero steps, microseconds, at least `step_us`.
        allocate: gives the array of the next step, C-contiguous (2, H, W) uint16 with any content (a slot of
            shared memory); may block. It is called once a step, after the step before was yielded.

    Raises:
        ValueError: `step_us`, `max_gap_us` or `start_us` is out of range.
    """

    def __init__(
        self,
        letterbox: Letterbox,
        step_us: int,
        *,
        start_us: int | None = None,
        max_gap_us: int = DEFAULT_MAX_GAP_US,
        allocate: Allocate | None = None,
    ) -> None:
        if not 1 <= step_us <= max_gap_us <= FARTHEST_US:
            raise ValueError(f"need 1 <= step_us <= max_gap_us, got {step_us=}, {max_gap_us=}")
        if start_us is not None and abs(start_us) > FARTHEST_US:
            raise ValueError(f"start_us must lie within +-{FARTHEST_US} us, got {start_us}")
        self._shape = (2, letterbox.grid_height, letterbox.grid_width)
        self._columns, self._rows = letterbox.columns(), letterbox.rows()
        self._step_us, self._max_gap_us, self._start_us = step_us, max_gap_us, start_us
        self._allocate = allocate or partial(np.empty, self._shape, np.uint16)
        self._counts: Counts | None = None
        self._begin_us = self._newest_us = self._events = 0
        self._reset: ResetReason | None = None

    def push(self, events: Events) -> Iterator[Step]:
        """Steps that `events` complete; run the iterator to its end before the next `push`.

        Raises:
            EventsOutsideSensor: an event lies beyond the letterbox's sensor.
            BackwardTime: time decreases inside the packet.
            BrokenRecording: a polarity is neither 0 nor 1, or a time is absurd.
        """
        _check_times(events.t_us)
        begin = 0
        if self._counts is None and self._start_us is not None:
            begin = int(np.searchsorted(events.t_us, self._start_us))
        if begin == len(events):
            return
        yield from self._arrive(int(events.t_us[begin]))
        while (begin := self._add(events, begin)) < len(events):
            yield from self._pass_to(int(events.t_us[begin]))

    def flush(self) -> Step | None:
        """The running step, which covers its full range with the events it has; None without one.

        Afterwards the stepper is as new: the next event begins a step with `reset="start"`.
        """
        step = None if self._counts is None else self._finish(self._counts)
        self._reset = None
        return step

    def _arrive(self, t_us: int) -> Iterator[Step]:
        """Opens or closes what must be before an event at `t_us`, the first of its packet, is counted."""
        if self._counts is None:
            begin_us = self._start_us
            if begin_us is None or t_us - begin_us > self._max_gap_us:
                begin_us = t_us
            self._newest_us = begin_us
            self._open(begin_us, "start")
        elif t_us < self._newest_us:
            yield self._finish(self._counts)
            self._open(t_us, "backward_time")
        yield from self._pass_to(t_us)

    def _pass_to(self, t_us: int) -> Iterator[Step]:
        """Completes steps until the running one holds `t_us`."""
        gap = t_us - self._newest_us > self._max_gap_us
        while self._counts is not None and t_us >= (end_us := self._begin_us + self._step_us):
            yield self._finish(self._counts)
            self._open(t_us if gap else end_us, "gap" if gap else None)

    def _open(self, begin_us: int, reset: ResetReason | None) -> None:
        counts = self._allocate()
        if counts.shape != self._shape or counts.dtype != np.uint16 or not counts.flags.c_contiguous:
            raise ValueError(f"allocate must give contiguous uint16 {self._shape}, got {counts.shape}")
        counts.fill(0)
        self._counts, self._begin_us, self._events, self._reset = counts, begin_us, 0, reset

    def _finish(self, counts: Counts) -> Step:
        span = (self._begin_us, self._begin_us + self._step_us)
        self._counts = None
        return Step(counts, span, self._events, self._newest_us, self._reset)

    def _add(self, events: Events, begin: int) -> int:
        """Counts events from index `begin` to the running step's end; returns the index after them."""
        assert self._counts is not None
        end = int(np.searchsorted(events.t_us, self._begin_us + self._step_us))
        add_packet(events[begin:end], self._columns, self._rows, self._counts)
        self._events += end - begin
        self._newest_us = int(events.t_us[end - 1])
        return end


def add_packet(events: Events, columns: NDArray[np.int32], rows: NDArray[np.int32], counts: Counts) -> None:
    """Adds events to `counts` on a grid, saturating at 65535.

    Args:
        events: one packet.
        columns: (sensor_width,) grid column of every sensor column.
        rows: (sensor_height,) grid row of every sensor row.
        counts: (2, H, W) uint16, C-contiguous; channel 0 is OFF, 1 is ON.

    Raises:
        EventsOutsideSensor: an event lies beyond the tables; those before it are counted.
        BrokenRecording: a polarity is neither 0 nor 1, likewise.
    """
    packed = events.contiguous()
    bad = add_events(packed.x, packed.y, packed.p, columns, rows, counts)
    if bad < 0:
        return
    if (p := int(packed.p[bad])) > 1:
        raise BrokenRecording(f"found polarity {p}; polarity is 0 (OFF) or 1 (ON). The recording is damaged.")
    raise outside_sensor(int(packed.x[bad]), int(packed.y[bad]), len(columns), len(rows))


def _check_times(t_us: NDArray[np.int64]) -> None:
    if len(t_us) == 0:
        return
    drop = first_drop(np.ascontiguousarray(t_us))
    if drop >= 0:
        raise backward_time(int(t_us[drop - 1]), int(t_us[drop]), note=" inside a packet")
    if t_us[0] < -FARTHEST_US or t_us[-1] > FARTHEST_US:
        raise BrokenRecording(
            f"found times from {t_us[0]} us to {t_us[-1]} us; times must lie within +-{FARTHEST_US} us. "
            "The recording is damaged."
        )


@compiled(I64, READ_I64)
def first_drop(t_us: NDArray[np.int64]) -> int:
    """Index of the first time that is smaller than the one before it, -1 where none is."""
    drops = 0
    for i in range(1, len(t_us)):  # no early exit, so that the usual case is vectorised
        drops += t_us[i] < t_us[i - 1]
    if drops == 0:
        return -1
    for i in range(1, len(t_us)):
        if t_us[i] < t_us[i - 1]:
            return i
    return -1


@compiled(I64, READ_U16, READ_U16, READ_U8, READ_I32, READ_I32, types.uint16[:, :, ::1])
def add_events(
    x: NDArray[np.uint16],
    y: NDArray[np.uint16],
    p: NDArray[np.uint8],
    columns: NDArray[np.int32],
    rows: NDArray[np.int32],
    counts: Counts,
) -> int:
    """Adds each event to `counts[p, rows[y], columns[x]]`, saturating at 65535.

    Returns:
        -1, or the index of the first event outside the tables; no event from there on is added.
    """
    width, height = len(columns), len(rows)
    for i in range(len(x)):
        if x[i] >= width or y[i] >= height or p[i] > 1:
            return i
        row, column = rows[y[i]], columns[x[i]]
        count = counts[p[i], row, column]
        counts[p[i], row, column] = count + (count != 65_535)
    return -1
