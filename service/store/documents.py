"""`Documents`: small JSON objects by kind and key: zones, lines, alarms."""

from __future__ import annotations

import json
import time
from typing import Any

from sqlalchemy import Connection, delete, select

from service.store.store import Store
from service.store.tables import documents
from service.store.upserts import insert_into


class Documents:
    """Kept until deleted, whatever becomes of what they are about. Everything raises `StoreUnavailable`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save(self, kind: str, key: str, body: dict[str, Any]) -> None:
        """Keeps `body` (plain JSON types, finite numbers) in place of what was there; on disk on return."""
        row = {"kind": kind, "key": key, "body": to_text(body), "updated_us": time.time_ns() // 1000}
        await self._store.write(lambda connection: _upsert(connection, row))

    async def delete(self, kind: str, key: str) -> bool:
        """Whether there was one."""
        statement = delete(documents).where(documents.c.kind == kind, documents.c.key == key)
        return await self._store.write(lambda connection: connection.execute(statement).rowcount > 0)

    async def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """All of one kind, by key, in the order of keys."""
        statement = (
            select(documents.c.key, documents.c.body)
            .where(documents.c.kind == kind)
            .order_by(documents.c.key)
        )
        rows = await self._store.read(lambda connection: connection.execute(statement).all())
        return {key: json.loads(body) for key, body in rows}


def to_text(body: object) -> str:
    """Compact JSON in ASCII; NaN and infinity are a ValueError, because browsers cannot read them."""
    return json.dumps(body, allow_nan=False, separators=(",", ":"))


def _upsert(connection: Connection, row: dict[str, Any]) -> None:
    insert = insert_into(connection, documents).values(row)
    changed = {name: insert.excluded[name] for name in ("body", "updated_us")}
    connection.execute(insert.on_conflict_do_update(index_elements=["kind", "key"], set_=changed))
