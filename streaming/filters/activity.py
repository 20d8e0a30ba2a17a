"""Filters by the time since the last event at a pixel: background activity and refractory period."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from streaming.compiled import I64, READ_I64, READ_U16, WRITE_BOOL, WRITE_PLANE, compiled
from streaming.events import Events, outside_sensor
from streaming.filters.settings import Background, Refractory

NEVER_US = -(1 << 62)
Judge: TypeAlias = Callable[..., int]
"""A kernel that fills `keep`, remembers times, and returns -1 or the index of the first event outside."""


class _LastTimeFilter:
    """Judges each event by the times of the last events at its pixel and around it.

    Args:
        judge: the kernel.
        limit_us: what it compares with, microseconds.
        size: columns and rows of the sensor.
        border: pixels around the sensor in which nothing ever happens; they save the kernel its checks.
    """

    def __init__(self, judge: Judge, limit_us: int, size: tuple[int, int], border: int = 0) -> None:
        self._judge, self._limit_us, self._size = judge, limit_us, size
        self._last_us = np.full((size[1] + 2 * border, size[0] + 2 * border), NEVER_US, np.int64)

    def __call__(self, events: Events) -> Events:
        keep = np.empty(len(events), np.bool_)
        packed = events.contiguous()
        bad = self._judge(packed.t_us, packed.x, packed.y, self._last_us, self._limit_us, keep)
        if bad >= 0:
            raise outside_sensor(int(packed.x[bad]), int(packed.y[bad]), *self._size)
        return events[keep]

    def reset(self) -> None:
        self._last_us.fill(NEVER_US)


class BackgroundFilter(_LastTimeFilter):
    """Keeps events with a recent neighbour (the background activity filter of Delbruck 2008).

    Dropped events support their 8 neighbours as well: what counts is that two pixels fired together. Where
    time went backward, events of the later time support nothing.
    """

    def __init__(self, setting: Background, width: int, height: int) -> None:
        super().__init__(_supported, setting.dt_us, (width, height), border=1)


class RefractoryFilter(_LastTimeFilter):
    """Keeps at most one event of a pixel in every period."""

    def __init__(self, setting: Refractory, width: int, height: int) -> None:
        super().__init__(_rested, setting.period_us, (width, height))


@compiled(I64, READ_I64, READ_U16, READ_U16, WRITE_PLANE, I64, WRITE_BOOL)
def _supported(
    t_us: NDArray[np.int64],
    x: NDArray[np.uint16],
    y: NDArray[np.uint16],
    last_us: NDArray[np.int64],
    dt_us: int,
    keep: NDArray[np.bool_],
) -> int:
    """Keeps what has a neighbour at most `dt_us` before it; `last_us` has a border of 1."""
    height, width = last_us.shape[0] - 2, last_us.shape[1] - 2
    for i in range(len(t_us)):
        if x[i] >= width or y[i] >= height:
            return i
        row, column, now_us = int(y[i]) + 1, int(x[i]) + 1, t_us[i]
        last_us[row, column] = NEVER_US  # a pixel does not support itself
        found = False
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                since_us = now_us - last_us[row + dy, column + dx]
                found |= 0 <= since_us <= dt_us
        last_us[row, column] = now_us
        keep[i] = found
    return -1


@compiled(I64, READ_I64, READ_U16, READ_U16, WRITE_PLANE, I64, WRITE_BOOL)
def _rested(
    t_us: NDArray[np.int64],
    x: NDArray[np.uint16],
    y: NDArray[np.uint16],
    last_us: NDArray[np.int64],
    period_us: int,
    keep: NDArray[np.bool_],
) -> int:
    """Keeps what comes `period_us` or more after the last kept event of its pixel."""
    height, width = last_us.shape
    for i in range(len(t_us)):
        if x[i] >= width or y[i] >= height:
            return i
        since_us = t_us[i] - last_us[y[i], x[i]]
        rested = since_us < 0 or since_us >= period_us  # below 0: time went backward
        if rested:
            last_us[y[i], x[i]] = t_us[i]
        keep[i] = rested
    return -1
