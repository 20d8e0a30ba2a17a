"""`WallClock`: whether a camera stamps its events with the time of day, and how late they come then."""

from __future__ import annotations

from typing import Final

from streaming.live.clock import EventClock

MOST_LATE_S: Final = 3.0
MOST_EARLY_S: Final = 0.02
"""How far from now the first events may lie. Earlier than now they cannot be, but clocks of two machines that
are kept by NTP differ by some milliseconds."""
COMPARED_S: Final = 5.0
JUMP_S: Final = 1.0


class WallClock:
    """Compares events with the time of day when a stream begins, and after each jump of its time.

    For COMPARED_S the smallest delay is taken against the time of day. From then on that much is the delay of
    the fastest events, whatever the clocks say (`EventClock`): quartzes that go apart by seconds a day do not
    show as latency, and the link's own delay is not forgotten.
    """

    def __init__(self) -> None:
        self._fastest = EventClock()
        self._delay_s: float | None = None
        self._compared_until_s = 0.0
        self._newest_us: int | None = None
        self._seen_s = 0.0

    @property
    def zero_s(self) -> float | None:
        """`time.monotonic()` at event time 0 where events carry the time of day, else None."""
        zero_s = self._fastest.zero_s
        return None if zero_s is None or self._delay_s is None else zero_s - self._delay_s

    def saw(self, first_us: int, last_us: int, arrived_s: float, day_s: float) -> None:
        """A packet came.

        Args:
            first_us, last_us: times of its first and last event, microseconds.
            arrived_s: `time.monotonic()`.
            day_s: `time.time()` then.
        """
        late_s = day_s - last_us * 1e-6
        if self._jumps(first_us, arrived_s):
            self._fastest = EventClock()
            self._delay_s = max(0.0, late_s) if -MOST_EARLY_S <= late_s <= MOST_LATE_S else None
            self._compared_until_s = arrived_s + COMPARED_S
        elif self._delay_s is not None and arrived_s < self._compared_until_s:
            self._delay_s = max(0.0, min(self._delay_s, late_s))
        self._fastest.saw(last_us, arrived_s)
        self._newest_us, self._seen_s = last_us, arrived_s

    def _jumps(self, first_us: int, arrived_s: float) -> bool:
        """Whether time goes back, or further than the clock did; going less far is being late."""
        if self._newest_us is None or first_us < self._newest_us:
            return True
        return (first_us - self._newest_us) * 1e-6 - (arrived_s - self._seen_s) > JUMP_S
