"""`in_thread`: calls that may block for long, away from the threads that everything else shares."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_MOST = threading.BoundedSemaphore(8)


async def in_thread(function: Callable[[], T]) -> T:
    """Runs `function` in a thread of its own that does not hold up the end of the process.

    Whoever stops waiting leaves it running; so it must end by itself. A handful run at a time, the others
    wait in their threads: callers bound how many they start.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        with _MOST:
            try:
                outcome = function()
            except BaseException as error:  # noqa: BLE001 - the edge of a thread: raised where it is awaited
                _tell(loop, result, error=error)
            else:
                _tell(loop, result, outcome)

    threading.Thread(target=work, name="alarm", daemon=True).start()
    return await result


def _tell(
    loop: asyncio.AbstractEventLoop,
    result: asyncio.Future[T],
    outcome: T | None = None,
    error: BaseException | None = None,
) -> None:
    def settle() -> None:
        if result.done():
            return  # nobody waits any more
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(outcome)  # type: ignore[arg-type] # None only where T is

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        return  # the loop has ended
