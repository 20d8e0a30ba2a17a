"""A live stream with a real child process and nothing behind it: no worker, no viewers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from service.channel import Message
from service.happenings import Happening
from service.observers import LinkState, Observer
from service.options import StreamSpec
from service.source_messages import Produced, SourceRequest, TapMessage
from service.source_process import SourceProcess
from streaming.limits import Limits
from streaming.source import SourceInfo

CLASSES = ("person", "car", "two-wheeler")
STEP_US = 8_000
GRID = (64, 64)
SLOTS = 8
WAIT_S = 30.0


class ChildStream:
    """A `StreamPort` over a source's child; steps are given back at once.

    `async with` starts the child; `lose` kills it, `start` begins another, as a lost link does.
    """

    def __init__(self, source: str, width: int | None, height: int | None, name: str = "front") -> None:
        self.id, self.name = f"id-of-{name}", name
        self.spec = StreamSpec(source, name)
        self.classes = CLASSES
        self.info: SourceInfo | None = None
        self.observers: Sequence[Observer] = ()
        self.messages: list[Message] = []
        self.heard: list[Any] = []
        self._request = SourceRequest(source, STEP_US, GRID, "block", width, height)
        self._source: SourceProcess | None = None
        self._ended = asyncio.Event()
        self._changed = asyncio.Event()
        self._ticking: asyncio.Task[None] | None = None

    # what observers may do

    def publish(self, message: Message) -> None:
        json.dumps(message, allow_nan=False)
        self.messages.append(message)
        self._changed.set()

    def happened(self, happening: Happening) -> None:
        self.publish(happening.to_message())
        for observer in self.observers:
            observer.happened(happening)

    def command(self, message: Message) -> None:
        if self._source is not None:
            self._source.command(message)

    # what tests do

    async def start(self) -> None:
        """Starts a child; returns when its source is open."""
        self.info = None
        self._source = SourceProcess(
            self._request, Limits.live(), SLOTS, live=True, on_message=self._said, on_end=self._source_ended
        )
        await self._source.start()
        await self.until(lambda: self.info is not None)
        self.link("live")

    async def lose(self) -> None:
        """SIGKILL to the child."""
        source = self._source
        assert source is not None
        assert source.pid is not None
        self._ended.clear()
        os.kill(source.pid, signal.SIGKILL)
        async with asyncio.timeout(WAIT_S):
            await self._ended.wait()
        await source.stop()
        self.link("lost")

    async def push(self, frame: bytes) -> None:
        assert self._source is not None
        await self._source.push(frame)

    def link(self, state: LinkState) -> None:
        for observer in self.observers:
            observer.linked(state, "")

    def told_of(self, kind: str) -> list[Message]:
        return [message for message in self.messages if message["type"] == kind]

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits until `condition` holds, looked at whenever the child or an observer said something."""
        end_s = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < end_s, f"it never came true; the last messages are {self.messages[-3:]}"
            self._changed.clear()
            try:
                async with asyncio.timeout(0.1):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def __aenter__(self) -> Self:
        self._ticking = asyncio.create_task(self._tick())
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._ticking is not None
        self._ticking.cancel()
        for observer in self.observers:
            observer.ended()
        if self._source is not None:
            await self._source.stop()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            for observer in self.observers:
                observer.tick()

    def _said(self, message: object) -> None:
        self.heard.append(message)
        if isinstance(message, Produced) and self._source is not None:
            self._source.release(message.message.slot)
        elif isinstance(message, SourceInfo):
            self.info = message
            for observer in self.observers:
                observer.sized(message)
        elif isinstance(message, TapMessage):
            for observer in self.observers:
                observer.told(message)
        self._changed.set()

    def _source_ended(self, error: Exception | None) -> None:
        self._ended.set()
        self._changed.set()
