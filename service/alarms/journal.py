"""`Journal`: writes documents behind the back of those who must not wait."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from service.documents import Documents
from service.errors import StoreUnavailable

AGAIN_S = 1.0

_log = structlog.get_logger("service.alarms")


class Journal:
    """What is put here is written soon, in the order of first mention; only the newest body of a key counts.

    Its length is bounded by those who own the keys. What the database refuses is tried again.

    Args:
        documents: where to write.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._waiting: dict[tuple[str, str], dict[str, Any] | None] = {}
        self._news = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Documents that are not written yet."""
        return len(self._waiting)

    def open(self) -> None:
        self._writer = asyncio.create_task(self._write_forever(), name="alarms-journal")

    async def close(self) -> None:
        """Writes what waits, in one try; what is refused is lost with a line in the log."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait([self._writer])
        try:
            await self._write()
        except StoreUnavailable as error:
            _log.error("alarms not saved", documents=len(self._waiting), error=str(error))

    def save(self, kind: str, key: str, body: dict[str, Any]) -> None:
        self._waiting[kind, key] = body
        self._news.set()

    def delete(self, kind: str, key: str) -> None:
        self._waiting[kind, key] = None
        self._news.set()

    async def _write_forever(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._write()
            except StoreUnavailable as error:
                _log.warning(
                    "alarms not saved, tried again soon", documents=len(self._waiting), error=str(error)
                )
                await asyncio.sleep(AGAIN_S)
                self._news.set()

    async def _write(self) -> None:
        while self._waiting:
            (kind, key), body = next(iter(self._waiting.items()))
            if body is None:
                await self._documents.delete(kind, key)
            else:
                await self._documents.save(kind, key, body)
            if self._waiting[kind, key] is body:
                del self._waiting[kind, key]
