"""`History`: what the service remembers, in its database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection

from service.settings import Settings
from service.store.database import Database, database_url
from service.store.documents import Documents
from service.store.reader import Reader
from service.store.store import Store
from service.store.streams import Streams
from service.store.writer import Writer

READ_S = 20.0
CLOSE_S = 3.0


class History:
    """The database of one service, and what is kept in it.

    Attributes:
        documents: zones, lines, alarms.
        streams: live streams that come back after a restart.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self.documents = Documents(store)
        self.streams = Streams(store)

    @classmethod
    async def open(cls, settings: Settings, data_folder: Path) -> Self:
        """Opens the database of the settings, SQLite in `data_folder` where they name none.

        Raises:
            BadSetting: `database_url` means nothing, or its driver is not installed.
            StoreDamaged, StoreTooNew, StoreUnavailable: see `service/errors.py`.
        """
        text = "" if settings.database_url is None else settings.database_url.get_secret_value()
        database = await asyncio.to_thread(Database.open, database_url(text, data_folder))
        writer: Writer[Sequence[object]] = Writer(database, _put, ())
        writer.start()
        return cls(settings, Store(database, Reader(database, READ_S), writer))

    async def close(self) -> None:
        """Writes what waits and closes the database."""
        await self._store.close(CLOSE_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _put(connection: Connection, entries: Sequence[Sequence[object]]) -> None:
    raise NotImplementedError
