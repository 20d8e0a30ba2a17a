"""`Lane`: entries that wait to be written, bounded, the oldest given up first."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sized
from typing import Any, Generic, TypeVar

E = TypeVar("E", bound=Sized)


class Lane(Generic[E]):
    """A queue with a name, a bound in rows and counters. Not safe between threads: its owner holds a lock.

    An entry's length is the rows it becomes.

    Attributes:
        name: for health and metrics.
        bound: most rows that wait.
        depth: rows that wait now.
        dropped: rows given up because too many waited.
    """

    def __init__(self, name: str, bound: int) -> None:
        self.name, self.bound = name, bound
        self.depth = self.dropped = 0
        self._entries: deque[tuple[float, E]] = deque()

    def put(self, entry: E) -> None:
        """Adds `entry`; where there is no room the oldest go."""
        self._entries.append((time.monotonic(), entry))
        self.depth += len(entry)
        while self.depth > self.bound:
            _, oldest = self._entries.popleft()
            self.depth -= len(oldest)
            self.dropped += len(oldest)

    def take(self, rows: int) -> list[E]:
        """The oldest entries, of about `rows` rows."""
        taken: list[E] = []
        while self._entries and rows > 0:
            _, entry = self._entries.popleft()
            self.depth -= len(entry)
            rows -= len(entry)
            taken.append(entry)
        return taken

    def describe(self) -> dict[str, Any]:
        """As the other queues of the health answer."""
        oldest_s = time.monotonic() - self._entries[0][0] if self._entries else 0.0
        return {
            "name": self.name,
            "policy": "drop_oldest",
            "bound": self.bound,
            "depth": self.depth,
            "oldest_ms": round(1e3 * oldest_s, 1),
            "dropped": self.dropped,
        }
