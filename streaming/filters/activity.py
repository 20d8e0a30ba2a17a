"""Filters by the time since the last event at a pixel: background activity and refractory period."""

from __future__ import annotations

import numpy as np
from numba import types
from numpy.typing import NDArray

from streaming.compiled import I64, READ_I64, READ_U16, WRITE_BOOL, compiled
from streaming.errors import EventsOutsideSensor
from streaming.events import Events
from streaming.filters.settings import Background, Refractory

NEVER_US = -(1 << 62)
WRITE_PLANE = types.int64[:, ::1]


class BackgroundFilter:
    """Keeps events with a recent neighbour (the background activity filter of Delbruck 2008).

    Dropped events support their 8 neighbours as well: what counts is that two pixels fired together. Where
    time went backward, events of the later time support nothing.
    """

    def __init__(self, setting: Background, width: int, height: int) -> None:
        self._dt_us = setting.dt_us
        self._last_us = np.full((height + 2, width + 2), NEVER_US, np.int64)  # a border saves the checks

    def __call__(self, events: Events) -> Events:
        keep = np.empty(len(events), np.bool_)
        t_us, x, y = _columns(events)
        return _kept(events, keep, _supported(t_us, x, y, self._last_us, self._dt_us, keep))

    def reset(self) -> None:
        self._last_us.fill(NEVER_US)


class RefractoryFilter:
    """Keeps at most one event of a pixel in every period."""

    def __init__(self, setting: Refractory, width: int, height: int) -> None:
        self._period_us = setting.period_us
        self._last_us = np.full((height, width), NEVER_US, np.int64)

    def __call__(self, events: Events) -> Events:
        keep = np.empty(len(events), np.bool_)
        t_us, x, y = _columns(events)
        return _kept(events, keep, _rested(t_us, x, y, self._last_us, self._period_us, keep))

    def reset(self) -> None:
        self._last_us.fill(NEVER_US)


def _columns(events: Events) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint16]]:
    return np.ascontiguousarray(events.t_us), np.ascontiguousarray(events.x), np.ascontiguousarray(events.y)


def _kept(events: Events, keep: NDArray[np.bool_], outside: int) -> Events:
    if outside >= 0:
        raise EventsOutsideSensor(
            f"found an event at x={events.x[outside]}, y={events.y[outside]} outside the filter's sensor; "
            "state the right size with width and height"
        )
    return events[keep]


@compiled(I64, READ_I64, READ_U16, READ_U16, WRITE_PLANE, I64, WRITE_BOOL)
def _supported(
    t_us: NDArray[np.int64],
    x: NDArray[np.uint16],
    y: NDArray[np.uint16],
    last_us: NDArray[np.int64],
    dt_us: int,
    keep: NDArray[np.bool_],
) -> int:
    """Fills `keep`; returns -1 or the index of the first event outside. `last_us` has a border of 1."""
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
    """Fills `keep`; returns -1 or the index of the first event outside."""
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
