"""`Stamps`: events of any source with the time of day, as a camera at iniVation's driver has it."""

from __future__ import annotations

import time
from typing import Final

from streaming.events import Events

MOST_APART_S: Final = 0.25
"""A source further from the clock than this (a pause was cut, a scene cannot keep up) is put to it anew."""


class Stamps:
    """Moves times so that an event has the time of day at which it was given; time never runs backward.

    Between two events the source's own distance stays, as long as it runs at the speed of the clock.
    """

    def __init__(self) -> None:
        self._shift_us: int | None = None
        self._newest_us = 0

    def stamped(self, events: Events) -> Events:
        """`events` (not empty), of which the newest happened just now."""
        first_us, last_us = int(events.t_us[0]), int(events.t_us[-1])
        now_us = time.time_ns() // 1_000
        if self._shift_us is None or abs(now_us - last_us - self._shift_us) > MOST_APART_S * 1e6:
            self._shift_us = now_us - last_us
        shift_us = self._shift_us = max(self._shift_us, self._newest_us - first_us)
        self._newest_us = last_us + shift_us
        return Events(events.t_us + shift_us, events.x, events.y, events.p)
