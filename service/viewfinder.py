"""`Viewfinder`: pictures of a live source's events, made only while somebody looks."""

from __future__ import annotations

import time

from streaming.events import Events
from streaming.letterbox import Letterbox
from streaming.picture import Trail, draw_counts, encode_webp
from streaming.source import SourceInfo


class Viewfinder:
    """Gathers events and draws them at most `fps` times a second.

    Args:
        info: size of the sensor.
        fps: most pictures a second.

    Attributes:
        width: most columns of a picture, None while nobody looks; set from any thread.
    """

    def __init__(self, info: SourceInfo, fps: float) -> None:
        self.width: int | None = None
        self._info, self._interval_s = info, 1.0 / fps
        self._trail: Trail | None = None
        self._drawn_width: int | None = None
        self._gathered: list[Events] = []
        self._due_s = 0.0

    def add(self, events: Events) -> bytes | None:
        """A WebP where one is due after `events`, else None."""
        width = self.width
        if width is None:
            self._gathered.clear()
            return None
        if len(events):
            self._gathered.append(events)
        now_s = time.monotonic()
        if now_s < self._due_s or not len(events):
            return None
        gathered, self._gathered = self._gathered, []
        webp = encode_webp(draw_counts(self._trail_of(width).add(Events.concatenate(gathered))))
        done_s = time.monotonic()
        # at most a third of the time goes into pictures: on a busy machine steps must not wait for them
        self._due_s = max(now_s + self._interval_s, done_s + 2 * (done_s - now_s))
        return webp

    def _trail_of(self, width: int) -> Trail:
        if self._trail is None or width != self._drawn_width:
            self._trail, self._drawn_width = Trail(self._letterbox(width)), width
        return self._trail

    def _letterbox(self, width: int) -> Letterbox:
        """Sensor to a picture of its own shape, never larger than the sensor: viewers enlarge for nothing."""
        columns = min(width, self._info.width)
        rows = max(1, round(self._info.height * columns / self._info.width))
        return Letterbox(self._info.width, self._info.height, columns, rows)
