"""Bounded queues, alone and between threads."""

from __future__ import annotations

import threading
from queue import Empty, Full
from typing import Any

import pytest

from streaming.queues import BoundedDeque, BoundedQueue, QueueStats


def test_entries_leave_in_order_and_age() -> None:
    now = [10.0]
    queue: BoundedDeque[str] = BoundedDeque("steps", 2, "block", clock=lambda: now[0])
    assert queue.stats() == QueueStats("steps", "block", 2, 0, 0.0, 0, 0)
    queue.push("a")
    now[0] = 10.5
    queue.push("b")
    assert queue.stats() == QueueStats("steps", "block", 2, 2, 500.0, 2, 0)
    with pytest.raises(Full, match="steps holds its 2"):
        queue.push("c")
    assert (queue.pop(), queue.stats().oldest_ms) == ("a", 0.0)
    assert queue.pop() == "b"
    with pytest.raises(Empty, match="steps is empty"):
        queue.pop()
    assert queue.stats().taken_in == 2


def test_the_oldest_is_dropped_given_back_and_counted() -> None:
    queue: BoundedDeque[int] = BoundedDeque("live", 3, "drop_oldest")
    assert [queue.push(i) for i in range(5)] == [[], [], [], [0], [1]]
    assert [queue.pop() for _ in range(3)] == [2, 3, 4]
    assert (queue.stats().taken_in, queue.stats().dropped) == (5, 2)


@pytest.mark.parametrize(("bound", "policy"), [(0, "block"), (-1, "drop_oldest"), (5, "drop_newest")])
def test_bad_settings_are_refused(bound: int, policy: Any) -> None:
    with pytest.raises(ValueError, match="queue q: needs bound"):
        BoundedDeque("q", bound, policy)


def test_a_blocking_queue_loses_nothing_between_threads() -> None:
    queue: BoundedQueue[int] = BoundedQueue("file", 3, "block")
    got: list[int] = []

    def take() -> None:
        try:
            while True:
                got.append(queue.get(timeout_s=20))
        except Empty:
            return

    taker = threading.Thread(target=take)
    taker.start()
    for i in range(500):
        assert queue.put(i, timeout_s=20) == []
        assert queue.stats().depth <= 3
    queue.close()
    taker.join()
    assert got == list(range(500))
    assert queue.stats().dropped == 0


def test_waits_are_bounded_and_end_with_the_queue() -> None:
    queue: BoundedQueue[int] = BoundedQueue("file", 1, "block")
    with pytest.raises(Empty):
        queue.get(timeout_s=0.01)
    queue.put(1)
    with pytest.raises(Full, match="holds its 1"):
        queue.put(2, timeout_s=0.01)
    closer = threading.Timer(0.05, queue.close)
    closer.start()
    with pytest.raises(Full, match="closed"):
        queue.put(2)
    closer.join()
    assert queue.get() == 1
    with pytest.raises(Empty):
        queue.get()


def test_a_dropping_queue_never_waits() -> None:
    queue: BoundedQueue[int] = BoundedQueue("live", 1, "drop_oldest")
    assert [queue.put(i) for i in range(3)] == [[], [0], [1]]
    assert queue.get() == 2
