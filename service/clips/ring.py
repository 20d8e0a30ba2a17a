"""`EventRing`: the events of the last seconds, in memory, compact and bounded."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.events import Events, UInt8Array, UInt16Array

OBJECT_BYTES = 800
"""What a packet takes besides its events: four arrays and their holder."""
_SHORT_US = 1 << 32


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A packet in 9 bytes an event, of arrays of its own: the source may use its buffers again.

    Attributes:
        came_s: `time.monotonic()` at which it came.
        base_us: time of the first event.
        after_us: (N,) uint32 (int64 where a packet is longer than an hour), microseconds after that.
        x, y, p: as in `Events`.
    """

    came_s: float
    base_us: int
    after_us: NDArray[Any]
    x: UInt16Array
    y: UInt16Array
    p: UInt8Array

    @classmethod
    def of(cls, events: Events, came_s: float) -> Packed:
        base_us = int(events.t_us[0])
        kind = np.uint32 if int(events.t_us[-1]) - base_us < _SHORT_US else np.int64
        after_us = (events.t_us - base_us).astype(kind)
        return cls(came_s, base_us, after_us, events.x.copy(), events.y.copy(), events.p.copy())

    def __len__(self) -> int:
        return len(self.after_us)

    @property
    def size_bytes(self) -> int:
        return OBJECT_BYTES + self.after_us.nbytes + self.x.nbytes + self.y.nbytes + self.p.nbytes

    def unpack(self) -> Events:
        return Events(self.after_us.astype(np.int64) + self.base_us, self.x, self.y, self.p)


class EventRing:
    """Keeps packets for `seconds` after they came, and never more than `max_bytes` of them.

    Attributes:
        size_bytes: what they take.
    """

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self.size_bytes = 0
        self._seconds, self._max_bytes = seconds, max_bytes
        self._packets: deque[Packed] = deque()

    def add(self, packet: Packed) -> None:
        self._packets.append(packet)
        self.size_bytes += packet.size_bytes
        while self.size_bytes > self._max_bytes:
            self._drop_oldest()

    def forget(self, now_s: float) -> None:
        """Lets go of what is too old."""
        while self._packets and self._packets[0].came_s < now_s - self._seconds:
            self._drop_oldest()

    def last(self, seconds: float, now_s: float) -> list[Packed]:
        """The packets that came in the last `seconds`, as far as they are still here."""
        return [packet for packet in self._packets if packet.came_s >= now_s - seconds]

    def clear(self) -> None:
        self._packets.clear()
        self.size_bytes = 0

    def _drop_oldest(self) -> None:
        self.size_bytes -= self._packets.popleft().size_bytes
