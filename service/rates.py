"""`Rate`: how fast a counter grows."""

from __future__ import annotations

import time


class Rate:
    """Counts per second between the last two looks.

    Attributes:
        per_s: 0 before the second look.
    """

    def __init__(self) -> None:
        self.per_s = 0.0
        self._count, self._at_s = 0, time.monotonic()

    def note(self, count: int) -> None:
        """The counter stands at `count` now."""
        now_s = time.monotonic()
        self.per_s = (count - self._count) / max(1e-3, now_s - self._at_s)
        self._count, self._at_s = count, now_s
