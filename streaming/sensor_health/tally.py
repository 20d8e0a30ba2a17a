"""`Tally`: running counts of a sensor's last seconds, by pixel, and by tile and half millisecond."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numba import types
from numpy.typing import NDArray

from streaming.compiled import I64, READ_I32, READ_I64, READ_U8, READ_U16, WRITE_I64, compiled
from streaming.events import Events, outside_sensor
from streaming.sensor_health.report import COLUMNS, ROWS, TILES

BIN_US = 1_000_000
BINS = 5
"""Four whole seconds and the running one."""
SLOT_US = 500
"""Frequencies up to 1 kHz can be told apart."""
SLOTS = BIN_US // SLOT_US
LAST_US, RUN, LONGEST_RUN, SAME = range(4)
MOST_PIXELS = 1 << 22
"""Larger sensors, and sizes that a client has made up, are counted in squares of pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """A look at a tally.

    Attributes:
        seconds: event time that is counted.
        events: in that time.
        pixels: (H, W) uint32 events of every pixel, or square of pixels.
        side: pixels of a square's side, 1 for most sensors.
        slots: (S, TILES, 2) float32 events of every half millisecond and tile, OFF and ON, oldest first.
        same_time: events with the time of the event before them.
        most_at_once: most events with one and the same time.
    """

    seconds: float
    events: int
    pixels: NDArray[np.uint32]
    side: int
    slots: NDArray[np.float32]
    same_time: int
    most_at_once: int

    @classmethod
    def nothing(cls) -> Counts:
        return cls(0.0, 0, np.zeros((1, 1), np.uint32), 1, np.zeros((0, TILES, 2), np.float32), 0, 0)


class Tally:
    """Counts events over a window that slides by whole seconds of their own time.

    `look` may be called from another thread than `add`; `add` never waits for more than a look's copying.

    Args:
        width, height: size of the sensor, pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height, self._shift = width, height, 0
        while (squares := (-(-height >> self._shift), -(-width >> self._shift)))[0] * squares[
            1
        ] > MOST_PIXELS:
            self._shift += 1
        self._pixels = np.zeros((BINS, *squares), np.uint16)
        self._slots = np.zeros((BINS, SLOTS, TILES, 2), np.int32)
        self._events = np.zeros(BINS, np.int64)
        self._repeats = np.zeros((BINS, 4), np.int64)
        self._columns = (np.arange(width) * COLUMNS // width).astype(np.int32)
        self._rows = (np.arange(height) * ROWS // height * COLUMNS).astype(np.int32)
        self._lock = threading.Lock()
        self._bin = 0
        self._begin_us: int | None = None  # of the running bin
        self._since_us = self._newest_us = 0

    def add(self, events: Events) -> None:
        """Counts a packet; time that runs back, or a leap beyond the window, begins the window anew.

        Raises:
            EventsOutsideSensor: an event lies beyond the sensor; those before it are counted.
        """
        if len(events) == 0:
            return
        first_us = int(events.t_us[0])
        if self._begin_us is None or first_us < self._newest_us:
            self._restart(first_us)
        packed, begin = events.contiguous(), 0
        while begin < len(packed):
            self._pass_to(int(packed.t_us[begin]))
            begin = self._count(packed, begin)

    def look(self) -> Counts:
        """What was counted in the last seconds."""
        with self._lock:
            order = [(self._bin + 1 + i) % BINS for i in range(BINS)]
            running = self._newest_us - (self._begin_us or 0)
            ended = (running + 1) // SLOT_US  # whole half milliseconds of the running bin
            seen = min(self._newest_us - self._since_us, (BINS - 1) * BIN_US + running)
            pixels = np.empty(self._pixels.shape[1:], np.uint32)
            sum_bins(self._pixels, pixels)
            slots = np.concatenate([*(self._slots[i] for i in order[:-1]), self._slots[order[-1], :ended]])
            known = min(len(slots), max(0, seen // SLOT_US))
            return Counts(
                seconds=seen / 1e6,
                events=int(self._events.sum()),
                pixels=pixels,
                side=1 << self._shift,
                slots=slots[len(slots) - known :].astype(np.float32),
                same_time=int(self._repeats[:, SAME].sum()),
                most_at_once=int(self._repeats[:, LONGEST_RUN].max()),
            )

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._begin_us = None
            self._clear(range(BINS))

    def _restart(self, t_us: int) -> None:
        with self._lock:
            self._clear(range(BINS))
            self._begin_us = self._since_us = self._newest_us = t_us

    def _pass_to(self, t_us: int) -> None:
        """Opens the bin of `t_us` where the running one has ended before it."""
        assert self._begin_us is not None
        ahead = (t_us - self._begin_us) // BIN_US
        if ahead >= BINS:
            self._restart(t_us)
        elif ahead:
            with self._lock:
                opened = [(self._bin + 1 + i) % BINS for i in range(ahead)]
                self._clear(opened)
                self._bin = opened[-1]
                self._begin_us += ahead * BIN_US

    def _clear(self, bins: list[int] | range) -> None:
        for i in bins:
            self._pixels[i].fill(0)
            self._slots[i].fill(0)
            self._events[i] = 0
            self._repeats[i] = 0
            self._repeats[i, LAST_US] = np.iinfo(np.int64).min

    def _count(self, events: Events, begin: int) -> int:
        """Counts events from index `begin` to the running bin's end; returns the index after them."""
        assert self._begin_us is not None
        end = int(np.searchsorted(events.t_us, self._begin_us + BIN_US))
        part = events[begin:end]
        bad = count_events(
            part.t_us, part.x, part.y, part.p, self._begin_us, self._columns, self._rows, self._shift,
            self._pixels[self._bin], self._slots[self._bin], self._repeats[self._bin],
        )  # fmt: skip
        if bad >= 0:
            raise outside_sensor(int(part.x[bad]), int(part.y[bad]), self._width, self._height)
        self._events[self._bin] += end - begin
        self._newest_us = int(events.t_us[end - 1])
        return end


@compiled(
    I64, READ_I64, READ_U16, READ_U16, READ_U8, I64, READ_I32, READ_I32, I64,
    types.uint16[:, ::1], types.int32[:, :, ::1], WRITE_I64,
)  # fmt: skip
def count_events(
    t_us: NDArray[np.int64],
    x: NDArray[np.uint16],
    y: NDArray[np.uint16],
    p: NDArray[np.uint8],
    begin_us: int,
    columns: NDArray[np.int32],
    rows: NDArray[np.int32],
    shift: int,
    pixels: NDArray[np.uint16],
    slots: NDArray[np.int32],
    repeats: NDArray[np.int64],
) -> int:
    """Counts events of one bin.

    Args:
        t_us, x, y, p: columns of the events, times within the bin and not decreasing.
        begin_us: the bin's begin.
        columns: (W,) tile column of every sensor column. rows: (H,) first tile of every sensor row.
        shift: places by which columns and rows are shifted to those of `pixels`.
        pixels: (H, W) events of every pixel or square of pixels, saturating.
        slots: (SLOTS, TILES, 2) events of every half millisecond and tile, OFF and ON.
        repeats: (4,) time of the last event, events with that time, most of them, repeated times.

    Returns:
        -1, or the index of the first event outside the sensor; no event from there on is counted.
    """
    width, height = len(columns), len(rows)
    last_us, run, longest, same = repeats[0], repeats[1], repeats[2], repeats[3]
    slot, next_us, bad = 0, begin_us, -1
    for i in range(len(x)):
        if x[i] >= width or y[i] >= height or p[i] > 1:
            bad = i
            break
        if t_us[i] >= next_us:
            slot = (t_us[i] - begin_us) // 500
            next_us = begin_us + (slot + 1) * 500
        repeated = t_us[i] == last_us
        same += repeated
        run = run + 1 if repeated else 1
        longest = max(longest, run)
        last_us = t_us[i]
        row, column = y[i] >> shift, x[i] >> shift
        count = pixels[row, column]
        pixels[row, column] = count + (count != 65_535)
        slots[slot, rows[y[i]] + columns[x[i]], p[i]] += 1
    repeats[0], repeats[1], repeats[2], repeats[3] = last_us, run, longest, same
    return bad


@compiled(types.void, types.uint16[:, :, ::1], types.uint32[:, ::1])
def sum_bins(bins: NDArray[np.uint16], total: NDArray[np.uint32]) -> None:
    """`total` (H, W) becomes the sum of `bins` (B, H, W)."""
    for y in range(total.shape[0]):
        for x in range(total.shape[1]):
            total[y, x] = bins[0, y, x]
        for i in range(1, bins.shape[0]):
            for x in range(total.shape[1]):
                total[y, x] += bins[i, y, x]
