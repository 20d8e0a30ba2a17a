"""A source's child that is started and stopped by tasks which are cancelled themselves."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.errors import StreamEnded
from service.source_messages import SourceRequest
from service.source_process import SourceProcess
from streaming.limits import Limits


class Made:
    """A `SourceProcess` of a simulated street, and what it left behind on this machine."""

    def __init__(self) -> None:
        self._before = self._segments()
        request = SourceRequest("sim:street", 8_000, (64, 64), "block", None, None)
        self.heard: list[Any] = []
        self.source = SourceProcess(
            request, Limits.live(), 4, live=True, on_message=self.heard.append, on_end=self.heard.append
        )

    @staticmethod
    def _segments() -> set[str]:
        return {entry.name for entry in Path("/dev/shm").glob(f"spikesight-{os.getpid()}-*")}

    def left(self) -> set[str]:
        return self._segments() - self._before

    @property
    def runs(self) -> bool:
        return self.source.pid is not None and psutil.pid_exists(self.source.pid)


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 20, 200])
def test_a_start_that_is_cancelled_leaves_nothing_once_it_is_stopped(turns: int) -> None:
    async def play() -> None:
        starting = asyncio.create_task(made.source.start())
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await made.source.stop()

    made = Made()
    asyncio.run(play())
    assert not made.left()
    assert not made.runs


def test_a_stop_that_is_cancelled_stops_all_the_same() -> None:
    async def play() -> None:
        await made.source.start()
        pid = made.source.pid
        stopping = asyncio.create_task(made.source.stop())
        await asyncio.sleep(0)
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        for _ in range(3_000):
            if not (made.left() or (pid is not None and psutil.pid_exists(pid))):
                return
            await asyncio.sleep(0.01)
        pytest.fail(f"child {pid} runs or {made.left()} are left")

    made = Made()
    asyncio.run(play())


def test_what_was_stopped_does_not_start() -> None:
    async def play() -> None:
        await made.source.stop()
        with pytest.raises(StreamEnded, match="while it started"):
            await made.source.start()

    made = Made()
    asyncio.run(play())
    assert not made.left()
