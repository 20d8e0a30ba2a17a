"""A running `Runtime` for tests, on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from service.answers import Answer
from service.detecting import DetectRun
from service.options import DetectOptions, StreamSpec
from service.runtime import Runtime
from service.settings import Settings
from service.streams import LiveStream
from tests.service.recordings import HEIGHT, WIDTH

Result = TypeVar("Result")
CALL_S = 60.0
START_S = 240.0
SIZED = DetectOptions(width=WIDTH, height=HEIGHT)


class RunningRuntime:
    """Coroutines run on the runtime's loop; everything else may be looked at from the test."""

    def __init__(self, runtime: Runtime, loop: asyncio.AbstractEventLoop) -> None:
        self.runtime, self._loop = runtime, loop

    def call(self, work: Coroutine[Any, Any, Result], timeout_s: float = CALL_S) -> Result:
        """The result of `work`."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def kill_worker(self) -> int:
        """SIGKILL to the inference worker; its process id."""
        pid = self.runtime.health().worker.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid


@contextmanager
def running_runtime(settings: Settings) -> Iterator[RunningRuntime]:
    """A runtime that is ready."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="runtime-loop", daemon=True)
    thread.start()
    running = RunningRuntime(Runtime(settings), loop)
    try:
        running.call(running.runtime.__aenter__())
        running.call(running.runtime.wait_ready(START_S), START_S + 5)
        yield running
    finally:
        running.call(running.runtime.__aexit__(None, None, None))
        running.call(loop.shutdown_default_executor())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def eventually(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Waits until `condition` holds."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "it never came true"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process of this id runs (one that ended and was not collected does not)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def all_of(run: DetectRun) -> list[Answer]:
    async with run:
        return [answer async for answer in run]


async def messages_until(stream: LiveStream, enough: Any, view_width: int | None = None) -> list[Any]:
    """What a viewer gets until `enough(messages)`, or the stream's end."""
    messages: list[Any] = []
    async with asyncio.timeout(30), stream.subscribe(view_width) as viewer:
        async for message in viewer:
            messages.append(message)
            if enough(messages):
                break
    return messages


def of_type(messages: list[Any], kind: str) -> list[dict[str, Any]]:
    return [message for message in messages if isinstance(message, dict) and message["type"] == kind]


def replay(path: Path, query: str = "speed=1&loop=1", **chosen: Any) -> StreamSpec:
    return StreamSpec(f"file://{path}?{query}", width=WIDTH, height=HEIGHT, **chosen)
