"""`Turns`: how many uploads run at the same time, and how many may wait."""

from __future__ import annotations

import asyncio

from service.errors import QueueFull


class Turns:
    """A bounded queue for a bounded number of turns.

    Args:
        running: turns at the same time.
        waiting: who may wait for one.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self._most_waiting = waiting
        self._free = asyncio.Semaphore(running)
        self.running = self.waiting = 0

    def check(self) -> None:
        """Raises QueueFull where one more would have to wait and may not."""
        if self._free.locked() and self.waiting >= self._most_waiting:
            raise QueueFull(
                f"{self.running} uploads are worked on and {self.waiting} wait, which is all that may; "
                "try again in some seconds"
            )

    async def take(self) -> None:
        """Waits for a turn; who waits is bounded by `check`, and how long by the caller's deadline."""
        self.check()
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        self.running += 1

    def give_back(self) -> None:
        """Ends a turn."""
        self.running -= 1
        self._free.release()
