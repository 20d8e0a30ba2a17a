"""`finished`: waits for what must come to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def finished(work: Coroutine[Any, Any, T], hurry: Callable[[], None] = lambda: None) -> T:
    """The result of `work`, which runs to its end where the waiting task is cancelled; that is raised then.

    For work in a thread, which cannot be cancelled and holds what its caller would close.

    Args:
        work: what must end.
        hurry: called when the waiting task is cancelled; makes the end come soon.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
            hurry()
    if cancelled is not None:
        task.exception()  # seen, so that nobody warns of it
        raise cancelled
    return task.result()
