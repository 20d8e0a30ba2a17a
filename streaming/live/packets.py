"""Events of a driver or a network made to keep the contract at the top of `streaming/events.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from streaming.events import MAX_PACKET_EVENTS, Events

IDLE_S = 0.25
"""Longest silence of a source before an empty packet says that it is there."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of pixels: columns `x`..`x + width - 1`, rows `y`..`y + height - 1`."""

    x: int
    y: int
    width: int
    height: int

    def fits(self, width: int, height: int) -> bool:
        """Whether it lies inside a `width` x `height` sensor."""
        return self.x + self.width <= width and self.y + self.height <= height


def within(events: Events, region: Region) -> Events:
    """The events inside `region`, in sensor coordinates; no copy where none lies outside."""
    x, y = events.x, events.y
    if len(events) == 0 or _all_within(events, region):
        return events
    right, below = region.x + region.width, region.y + region.height
    return events[(x >= region.x) & (x < right) & (y >= region.y) & (y < below)]


def in_order(events: Events) -> Iterator[Events]:
    """Packets of at most MAX_PACKET_EVENTS, cut where time runs backward: each keeps its order."""
    falls = np.flatnonzero(events.t_us[1:] < events.t_us[:-1]) + 1
    bounds = [0, *falls.tolist(), len(events)]
    for begin, end in pairwise(bounds):
        for start in range(begin, end, MAX_PACKET_EVENTS):
            yield events[start : min(start + MAX_PACKET_EVENTS, end)]


def _all_within(events: Events, region: Region) -> bool:
    return (
        int(events.x.min()) >= region.x
        and int(events.y.min()) >= region.y
        and int(events.x.max()) < region.x + region.width
        and int(events.y.max()) < region.y + region.height
    )
