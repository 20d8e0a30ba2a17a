"""Work that must come to its end does, whoever waits for it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from service.finishing import finished


def test_the_result_and_the_error_are_those_of_the_work() -> None:
    async def fails() -> None:
        raise OSError("no memory")

    assert asyncio.run(finished(asyncio.sleep(0, "done"))) == "done"
    with pytest.raises(OSError, match="no memory"):
        asyncio.run(finished(fails()))


@pytest.mark.parametrize("cancellations", [1, 3])
def test_a_waiter_that_is_cancelled_waits_on(cancellations: int) -> None:
    async def play() -> None:
        go, done = threading.Event(), threading.Event()

        def work() -> None:
            assert go.wait(30)
            done.set()
            raise OSError("which nobody hears of")

        waiting = asyncio.create_task(finished(asyncio.to_thread(work)))
        for _ in range(cancellations):
            await asyncio.sleep(0.01)
            waiting.cancel()
        await asyncio.sleep(0.01)
        assert not waiting.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert done.is_set()

    asyncio.run(play())


def test_a_waiter_that_is_cancelled_can_hurry_the_work() -> None:
    async def play() -> None:
        stop = threading.Event()
        waiting = asyncio.create_task(finished(asyncio.to_thread(stop.wait, 30), stop.set))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert stop.is_set()

    asyncio.run(play())
