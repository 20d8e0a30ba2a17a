"""`Store`: an open database with its threads, as coroutines see it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection

from service.store.database import Database
from service.store.reader import Reader
from service.store.writer import Writer

T = TypeVar("T")


class Store:
    """Reads and writes off the event loop.

    Attributes:
        database: what is open.
        writer: of rows that may be dropped, beside `write`.
    """

    def __init__(self, database: Database, reader: Reader, writer: Writer[Any]) -> None:
        self.database, self._reader, self.writer = database, reader, writer
        writer.start()

    async def write(self, function: Callable[[Connection], T]) -> T:
        """`function` in a transaction, in the order of the calls; done on disk when it returns.

        Raises:
            StoreUnavailable: the database does not take it.
        """
        # Shielded: a caller who leaves must not undo what others may have been told of.
        return await asyncio.shield(asyncio.wrap_future(self.writer.call(function)))

    async def read(self, function: Callable[[Connection], T]) -> T:
        """`function` on one view of the database, which it cannot change.

        Raises:
            StoreUnavailable: the database does not answer.
            DeadlineExceeded: it took too long.
        """
        return await asyncio.wrap_future(self._reader.call(function))

    async def close(self, patience_s: float) -> None:
        """Writes what waits, for `patience_s` at most, and closes the database."""
        await asyncio.to_thread(self._close, patience_s)

    def _close(self, patience_s: float) -> None:
        self.writer.close(patience_s)
        self._reader.close()
        self.database.close()
