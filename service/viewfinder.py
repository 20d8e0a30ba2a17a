"""`Viewfinder`: pictures of a live source's events, made only while somebody looks."""

from __future__ import annotations

import time
from collections import deque

from streaming.events import Events
from streaming.letterbox import Letterbox
from streaming.picture import count_events, draw_counts, encode_webp
from streaming.source import SourceInfo

SHOWN_US = 33_000
"""Time that one picture shows: slow edges close in it, fast ones stay thin."""


class Viewfinder:
    """Gathers events and draws the newest of them at most `fps` times a second.

    Args:
        info: size of the sensor.
        fps: most pictures a second.

    Attributes:
        width: most columns of a picture, None while nobody looks; set from any thread.
    """

    def __init__(self, info: SourceInfo, fps: float) -> None:
        self.width: int | None = None
        self._info, self._interval_s = info, 1.0 / fps
        self._gathered: deque[Events] = deque()
        self._due_s = 0.0

    def add(self, events: Events) -> bytes | None:
        """A WebP where one is due after `events`, else None."""
        width = self.width
        if width is None:
            self._gathered.clear()
            return None
        if len(events) == 0:
            return None
        self._gather(events)
        now_s = time.monotonic()
        if now_s < self._due_s:
            return None
        webp = encode_webp(draw_counts(count_events(self._newest(), self._letterbox(width))))
        done_s = time.monotonic()
        # at most a third of the time goes into pictures: on a busy machine steps must not wait for them
        self._due_s = max(now_s + self._interval_s, done_s + 2 * (done_s - now_s))
        return webp

    def _gather(self, events: Events) -> None:
        """Keep `events`; forget packets too old to be shown, or from before time ran back."""
        newest_us = int(events.t_us[-1])
        while self._gathered and not 0 <= newest_us - int(self._gathered[0].t_us[-1]) <= SHOWN_US:
            self._gathered.popleft()
        self._gathered.append(events)

    def _newest(self) -> Events:
        events = Events.concatenate(self._gathered)
        return events[events.t_us > events.t_us[-1] - SHOWN_US]

    def _letterbox(self, width: int) -> Letterbox:
        """Sensor to a picture of its own shape, never larger than the sensor: viewers enlarge for nothing."""
        columns = min(width, self._info.width)
        rows = max(1, round(self._info.height * columns / self._info.width))
        return Letterbox(self._info.width, self._info.height, columns, rows)
