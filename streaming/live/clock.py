"""`EventClock`: where event time 0 lies on this machine's clock, learnt from when events arrive."""

from __future__ import annotations

from typing import Final

DRIFT: Final = 100e-6
"""Most that two quartz clocks go apart, seconds a second."""


class EventClock:
    """Maps a camera's time to `time.monotonic()`: the fastest delivery seen counts as immediate.

    A delay that every event has (USB, the driver's own buffer) is therefore not seen; what comes on top of it
    is. The mapping gives way by DRIFT, so that a camera whose clock runs slow stays mapped for weeks.
    """

    def __init__(self) -> None:
        self._zero_s: float | None = None
        self._newest_us = 0
        self._seen_s = 0.0

    @property
    def zero_s(self) -> float | None:
        """`time.monotonic()` at event time 0; None before the first event."""
        return self._zero_s

    def saw(self, newest_us: int, arrived_s: float) -> None:
        """The newest event of a packet, microseconds, was here at `arrived_s` of `time.monotonic()`.

        Backward time begins a new mapping.
        """
        zero_s = arrived_s - newest_us * 1e-6
        if self._zero_s is None or newest_us < self._newest_us:
            self._zero_s = zero_s
        else:
            self._zero_s = min(zero_s, self._zero_s + DRIFT * (arrived_s - self._seen_s))
        self._newest_us, self._seen_s = newest_us, arrived_s
