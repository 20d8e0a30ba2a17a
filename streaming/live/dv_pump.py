"""`Pump`: takes batches from dv-processing as they come, and keeps a bounded number of them.

`NetworkReader` reads in a thread of its own into a queue without a bound, whether anybody takes from it or
not: 70 MB a second were seen at 5 million events a second. So one thread always takes; where the consumer is
late, the oldest batches are given up and counted. What it has not taken when the connection ends, the reader
throws away.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Final

MOST_EVENTS: Final = 1 << 21
"""Events that may wait, 16 bytes each; some seconds of a lively camera."""
MOST_BATCHES: Final = 1 << 14
FAST_S, SLOW_S = 0.001, 0.025
"""Pauses between two looks: the library has no call that waits. They grow to SLOW_S while nothing comes."""


class Pump:
    """The thread and its queue.

    Args:
        reader: a `NetworkReader`.
        most_events: events that may wait.

    Attributes:
        dropped: events given up because nobody took them in time.
        fault: why the library failed, None where it did not.
    """

    def __init__(self, reader: Any, most_events: int = MOST_EVENTS) -> None:
        self.dropped = 0
        self.fault: Exception | None = None
        self._reader, self._most_events = reader, most_events
        self._waiting: deque[Any] = deque()
        self._waiting_events = 0
        self._news = threading.Condition()
        self._closed = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="dv-pump", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Nothing waits, and nothing will come any more."""
        with self._news:
            return self._ended and not self._waiting

    def take(self, timeout_s: float) -> Any:
        """The oldest batch (an `EventStore` with events), or None: none within `timeout_s`, or `ended`."""
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._ended, timeout_s)
            if not self._waiting:
                return None
            return self._pop()

    def close(self) -> None:
        """Ends the thread and lets go of the reader."""
        self._closed.set()
        self._thread.join()
        self._reader = None

    def _run(self) -> None:
        try:
            self._move()
        except Exception as error:  # noqa: BLE001 - the edge of a thread: the consumer tells what the library said
            self.fault = error
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _move(self) -> None:
        pause_s = FAST_S
        while not self._closed.is_set():
            running = self._reader.isRunning()
            batch = self._reader.getNextEventBatch()
            if batch is not None:
                pause_s = FAST_S
                self._put(batch)
            elif not running or self._closed.wait(pause_s):
                return
            else:
                pause_s = min(2 * pause_s, SLOW_S)

    def _put(self, batch: Any) -> None:
        if (events := batch.size()) == 0:
            return
        with self._news:
            self._waiting.append(batch)
            self._waiting_events += events
            while len(self._waiting) > 1 and self._is_over():
                self.dropped += self._pop().size()
            self._news.notify_all()

    def _is_over(self) -> bool:
        return self._waiting_events > self._most_events or len(self._waiting) > MOST_BATCHES

    def _pop(self) -> Any:
        batch = self._waiting.popleft()
        self._waiting_events -= batch.size()
        return batch
