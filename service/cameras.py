"""`Cameras`: which event cameras are plugged into this machine, asked in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from streaming.live.listing import without_drivers

COMMAND: Final = (sys.executable, "-m", "streaming.live.listing")
TIMEOUT_S: Final = 10.0
"""Longest a listing may take: drivers talk to every camera."""
FRESH_S: Final = 2.0
"""How long an answer is given again, so that many who ask do not trouble the cameras."""


class Cameras:
    """Lists cameras. Drivers hold the interpreter while they look, and may hang or crash: never here.

    Args:
        command: the process that prints the list as JSON.
        timeout_s: longest it may take, seconds; then the kernel alone is asked.
    """

    def __init__(self, command: Sequence[str] = COMMAND, timeout_s: float = TIMEOUT_S) -> None:
        self._command, self._timeout_s = tuple(command), timeout_s
        self._one_at_a_time = asyncio.Lock()
        self._told: dict[str, Any] = {}
        self._told_s = float("-inf")

    async def listed(self) -> dict[str, Any]:
        """`streaming.live.listing.CameraList` as JSON; what drivers do not say, the kernel does."""
        async with self._one_at_a_time:
            if time.monotonic() - self._told_s >= FRESH_S:
                self._told = await self._ask()
                self._told_s = time.monotonic()
            return self._told

    async def _ask(self) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                said, _ = await process.communicate()
        except TimeoutError:
            return await self._by_kernel(f"The drivers did not answer within {self._timeout_s:g} s.")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            return await self._by_kernel(f"The drivers failed while they looked (exit {process.returncode}).")
        told: dict[str, Any] = json.loads(said)
        return told

    async def _by_kernel(self, reason: str) -> dict[str, Any]:
        return asdict(await asyncio.to_thread(without_drivers, reason))
