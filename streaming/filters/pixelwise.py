"""Filters without memory: region, polarity, flips."""

from __future__ import annotations

import numpy as np

from streaming.errors import BadSource
from streaming.events import Events
from streaming.filters.settings import Flip, Polarity, Region


class RegionFilter:
    """Keeps events inside a rectangle.

    Raises:
        BadSource: the rectangle reaches beyond the sensor.
    """

    def __init__(self, setting: Region, width: int, height: int) -> None:
        if setting.x1 > width or setting.y1 > height:
            raise BadSource(f"{setting} reaches beyond the {width} x {height} sensor")
        self._setting = setting

    def __call__(self, events: Events) -> Events:
        region = self._setting
        columns = (events.x >= region.x0) & (events.x < region.x1)
        return events[columns & (events.y >= region.y0) & (events.y < region.y1)]

    def reset(self) -> None:
        """Nothing to forget."""


class PolarityFilter:
    """Keeps events of one polarity."""

    def __init__(self, setting: Polarity) -> None:
        self._keep = np.uint8(setting.keep == "on")

    def __call__(self, events: Events) -> Events:
        return events[events.p == self._keep]

    def reset(self) -> None:
        """Nothing to forget."""


class FlipFilter:
    """Mirrors events within the sensor."""

    def __init__(self, setting: Flip, width: int, height: int) -> None:
        self._axis, self._right, self._bottom = setting.axis, np.uint16(width - 1), np.uint16(height - 1)

    def __call__(self, events: Events) -> Events:
        x = self._right - events.x if "h" in self._axis else events.x
        y = self._bottom - events.y if "v" in self._axis else events.y
        return Events(events.t_us, x, y, events.p)

    def reset(self) -> None:
        """Nothing to forget."""
