"""Hot pixels: found by their rate against that of their neighbours, window by window."""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numpy.typing import NDArray

from streaming.compiled import I64, READ_U16, WRITE_BOOL, WRITE_PLANE, compiled
from streaming.events import Events, outside_sensor
from streaming.filters.settings import HotPixels

READ_MASK = types.Array(types.boolean, 2, "C", readonly=True)
NEIGHBOURS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))


class HotPixelFilter:
    """Drops events of hot pixels.

    Events are counted over a window of their own time; at the first event past its end the hot pixels are
    found anew and the next window begins with that event. A moving edge fires a pixel and its neighbours
    alike, and a flickering lamp covers an area; hot pixels stand alone, in twos or threes, so that each is
    measured against its third busiest neighbour. Backward time begins a new window; known hot pixels stay.
    """

    def __init__(self, setting: HotPixels, width: int, height: int) -> None:
        self._setting = setting
        self._least = max(1, math.ceil(setting.rate_hz * setting.window_us / 1e6))
        self._counts = np.zeros((height, width), np.int64)
        self._hot = np.zeros((height, width), np.bool_)
        self._begin_us: int | None = None
        self._newest_us = 0

    @property
    def hot(self) -> NDArray[np.bool_]:
        """(H, W) True where a pixel is dropped now."""
        return self._hot.copy()

    def __call__(self, events: Events) -> Events:
        if len(events) == 0:
            return events
        first_us = int(events.t_us[0])
        if self._begin_us is None or first_us < self._newest_us:
            self._begin(first_us)
        self._newest_us = int(events.t_us[-1])
        keep = np.empty(len(events), np.bool_)
        begin = self._count(events, 0, keep)
        while begin < len(events):
            self._hot = self._find()
            self._begin(int(events.t_us[begin]))
            begin = self._count(events, begin, keep)
        return events[keep]

    def reset(self) -> None:
        self._counts.fill(0)
        self._hot = np.zeros_like(self._hot)
        self._begin_us = None

    def _begin(self, t_us: int) -> None:
        self._counts.fill(0)
        self._begin_us = t_us

    def _count(self, events: Events, begin: int, keep: NDArray[np.bool_]) -> int:
        """Counts and judges events from `begin` to the window's end; returns the index after them."""
        end_us = (self._begin_us or 0) + self._setting.window_us
        end = int(np.searchsorted(events.t_us, end_us))
        part = events[begin:end].contiguous()
        bad = _count_and_judge(part.x, part.y, self._counts, self._hot, keep[begin:end])
        if bad >= 0:
            height, width = self._counts.shape
            raise outside_sensor(int(part.x[bad]), int(part.y[bad]), width, height)
        return end

    def _find(self) -> NDArray[np.bool_]:
        """(H, W) hot pixels by the counts of the window."""
        rows, columns = np.nonzero(self._counts >= self._least)
        padded = np.pad(self._counts, 1)
        around = np.stack([padded[rows + 1 + dy, columns + 1 + dx] for dy, dx in NEIGHBOURS])  # (8, N)
        third = np.sort(around, axis=0)[-3]  # even the corner of a bright area has three busy neighbours
        alone = self._counts[rows, columns] > self._setting.factor * (third + 1)
        hot = np.zeros_like(self._hot)
        hot[rows[alone], columns[alone]] = True
        return hot


@compiled(I64, READ_U16, READ_U16, WRITE_PLANE, READ_MASK, WRITE_BOOL)
def _count_and_judge(
    x: NDArray[np.uint16],
    y: NDArray[np.uint16],
    counts: NDArray[np.int64],
    hot: NDArray[np.bool_],
    keep: NDArray[np.bool_],
) -> int:
    """Counts each event and fills `keep`; returns -1 or the index of the first event outside."""
    height, width = counts.shape
    for i in range(len(x)):
        if x[i] >= width or y[i] >= height:
            return i
        counts[y[i], x[i]] += 1
        keep[i] = not hot[y[i], x[i]]
    return -1
