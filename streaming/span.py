"""`Span`: how many events went by, and from when to when."""

from __future__ import annotations

from dataclasses import dataclass

from streaming.events import Events


@dataclass(slots=True)
class Span:
    """Grows by the packets it is shown, in time order.

    Attributes:
        events: how many.
        first_us, last_us: times of the first and last event, microseconds; None without events.
    """

    events: int = 0
    first_us: int | None = None
    last_us: int | None = None

    @property
    def duration_us(self) -> int:
        """Last minus first time; 0 without events."""
        return 0 if self.first_us is None or self.last_us is None else self.last_us - self.first_us

    def add(self, packet: Events) -> None:
        if len(packet) == 0:
            return
        self.events += len(packet)
        self.last_us = int(packet.t_us[-1])
        if self.first_us is None:
            self.first_us = int(packet.t_us[0])
