"""Queues with a bound, a name, a policy and counters.

`BoundedDeque` does the counting and takes no locks (for one thread, an event loop for instance);
`BoundedQueue` puts a lock and waiting around it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, Full
from typing import Generic, Literal, TypeVar

Item = TypeVar("Item")
Policy = Literal["block", "drop_oldest"]


@dataclass(frozen=True, slots=True)
class QueueStats:
    """State of a queue.

    Attributes:
        name, policy, bound: as it was made.
        depth: entries now.
        oldest_ms: age of the oldest entry, 0 where it is empty.
        taken_in: entries that ever came in, dropped ones included.
        dropped: entries that made room for newer ones.
    """

    name: str
    policy: Policy
    bound: int
    depth: int
    oldest_ms: float
    taken_in: int
    dropped: int


class BoundedDeque(Generic[Item]):
    """First in, first out, at most `bound` entries; without locks.

    Args:
        name: for metrics and messages.
        bound: most entries, at least 1.
        policy: what a full queue does with a new entry: "block" refuses it, "drop_oldest" makes room.
        clock: seconds, for the age of entries.

    Raises:
        ValueError: `bound` is below 1 or the policy unknown.
    """

    def __init__(
        self, name: str, bound: int, policy: Policy, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if bound < 1 or policy not in ("block", "drop_oldest"):
            raise ValueError(
                f"queue {name}: needs bound >= 1 and policy block or drop_oldest, got {bound}, {policy}"
            )
        self.name, self.bound, self.policy = name, bound, policy
        self._clock = clock
        self._entries: deque[tuple[float, Item]] = deque()
        self._taken_in = self._dropped = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def full(self) -> bool:
        return len(self._entries) >= self.bound

    def push(self, item: Item) -> list[Item]:
        """Takes `item` in; returns what was dropped for it (so that its slot can be freed), at most one.

        Raises:
            Full: the queue is full and its policy is "block".
        """
        if self.full and self.policy == "block":
            raise Full(f"queue {self.name} holds its {self.bound} entries")
        dropped = [self._entries.popleft()[1]] if self.full else []
        self._entries.append((self._clock(), item))
        self._taken_in += 1
        self._dropped += len(dropped)
        return dropped

    def pop(self) -> Item:
        """The oldest entry.

        Raises:
            Empty: there is none.
        """
        if not self._entries:
            raise Empty(f"queue {self.name} is empty")
        return self._entries.popleft()[1]

    def stats(self) -> QueueStats:
        """Counters and age of the oldest entry, now."""
        oldest_ms = (self._clock() - self._entries[0][0]) * 1e3 if self._entries else 0.0
        return QueueStats(
            self.name, self.policy, self.bound, len(self), oldest_ms, self._taken_in, self._dropped
        )


class BoundedQueue(Generic[Item]):
    """A `BoundedDeque` between threads: "block" waits for room, and takers wait for entries.

    After `close` nothing comes in any more; takers get what is left, then `Empty`.
    """

    def __init__(self, name: str, bound: int, policy: Policy) -> None:
        self._entries: BoundedDeque[Item] = BoundedDeque(name, bound, policy)
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Item, timeout_s: float | None = None) -> list[Item]:
        """Takes `item` in, waiting for room where the policy is "block"; returns what was dropped for it.

        Raises:
            Full: there was no room within `timeout_s`, or the queue is closed.
        """
        with self._changed:
            self._changed.wait_for(self._may_put, timeout_s)
            if self._closed:
                raise Full(f"queue {self._entries.name} is closed")
            dropped = self._entries.push(item)
            self._changed.notify_all()
            return dropped

    def get(self, timeout_s: float | None = None) -> Item:
        """The oldest entry, waiting for one.

        Raises:
            Empty: none came within `timeout_s`, or the queue is closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._entries) > 0, timeout_s)
            item = self._entries.pop()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Lets everyone who waits go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def stats(self) -> QueueStats:
        """Counters and age of the oldest entry, now."""
        with self._changed:
            return self._entries.stats()

    def _may_put(self) -> bool:
        return self._closed or self._entries.policy == "drop_oldest" or not self._entries.full
