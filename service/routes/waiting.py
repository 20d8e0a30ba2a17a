"""Work that is done only as long as its client waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.errors import DeadlineExceeded

T = TypeVar("T")


async def while_wanted(request: Request, work: Coroutine[Any, Any, T], deadline_s: float) -> T:
    """The result of `work`, which is cancelled when the client leaves or the deadline passes.

    Raises:
        ClientDisconnect: the client left.
        DeadlineExceeded: it took longer than `deadline_s`.
    """
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnected(request))
    try:
        done, _ = await asyncio.wait((task, gone), timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
        if task in done:
            return task.result()
        if gone in done:
            raise ClientDisconnect
        raise DeadlineExceeded(
            f"found no answer after {deadline_s:g} s; POST /detect with 'Prefer: respond-async' makes "
            "a job without a deadline, and start_us and end_us cut the recording"
        )
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.wait((task, gone))


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
