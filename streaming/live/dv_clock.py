"""`WallClock`: whether a camera stamps its events with the time of day, as iniVation's do."""

from __future__ import annotations

import time
from typing import Final

MOST_LATE_S: Final = 3.0
MOST_EARLY_S: Final = 0.02
"""How far from now the first events may lie. Earlier than now they cannot be, but clocks of two machines that
are kept by NTP differ by some milliseconds."""
JUMP_US: Final = 1_000_000


class WallClock:
    """Compares events with the time of day when a stream begins and after each jump of its time.

    In between a late event is what it is: late. One from the future says that the clocks go apart, and ends
    the comparison until the next jump.
    """

    def __init__(self) -> None:
        self._newest_us: int | None = None
        self._same = False

    @property
    def zero_s(self) -> float | None:
        """`time.monotonic()` at event time 0 where events carry the time of day, else None."""
        return time.monotonic() - time.time() if self._same else None

    def saw(self, first_us: int, last_us: int) -> None:
        """A packet came just now, whose first and last events are of these times, microseconds."""
        late_s = time.time() - last_us * 1e-6
        if self._newest_us is None or not 0 <= first_us - self._newest_us <= JUMP_US:
            self._same = -MOST_EARLY_S <= late_s <= MOST_LATE_S
        elif late_s < -MOST_EARLY_S:
            self._same = False
        self._newest_us = last_us
