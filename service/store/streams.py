"""`Streams`: live streams that come back after a restart."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from service.store.documents import to_text
from service.store.moments import from_us, to_us
from service.store.store import Store
from service.store.tables import streams
from service.store.upserts import insert_into


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A kept stream.

    Attributes:
        id: as long as the stream is kept.
        name: shown to people.
        spec: plain JSON types.
        created: when it was asked for, with its zone.
    """

    id: str
    name: str
    spec: dict[str, Any]
    created: datetime


class Streams:
    """The kept streams. Everything raises `StoreUnavailable`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save(self, record: StreamRecord) -> None:
        """Keeps `record` in place of the one of the same id; on disk on return."""
        created_us = to_us(record.created)
        row = {"id": record.id, "name": record.name, "spec": to_text(record.spec), "created_us": created_us}
        await self._store.write(lambda connection: _upsert(connection, row))

    async def delete(self, stream_id: str) -> bool:
        """Whether there was one; its history stays until it is too old."""
        statement = delete(streams).where(streams.c.id == stream_id)
        return await self._store.write(lambda connection: connection.execute(statement).rowcount > 0)

    async def all(self) -> list[StreamRecord]:
        """The oldest first."""
        statement = select(streams).order_by(streams.c.created_us, streams.c.id)
        rows = await self._store.read(lambda connection: connection.execute(statement).all())
        return [StreamRecord(row.id, row.name, json.loads(row.spec), from_us(row.created_us)) for row in rows]


def _upsert(connection: Connection, row: dict[str, Any]) -> None:
    insert = insert_into(connection, streams).values(row)
    changed = {name: insert.excluded[name] for name in ("name", "spec", "created_us")}
    connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=changed))
