"""INSERT ... ON CONFLICT, which SQLite and PostgreSQL have and SQL has not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, Table, text
from sqlalchemy.dialects import postgresql, sqlite

Insert: TypeAlias = "sqlite.Insert | postgresql.Insert"


def insert_into(connection: Connection, table: Table) -> Insert:
    """An INSERT that may say `on_conflict_do_update` and `on_conflict_do_nothing`."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def insert_rows(connection: Connection, insert: Insert, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Executes `insert` for many rows with the same columns, of plain JSON types.

    PostgreSQL's driver sends rows one by one, half a millisecond each: there they go as one JSON text.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.execute(insert, rows)
        return
    names = list(rows[0])
    source = text(
        f"SELECT {', '.join(names)} FROM json_populate_recordset(NULL::{table.name}, CAST(:rows AS JSON))"
    )
    selected = source.bindparams(rows=json.dumps(rows)).columns(*(table.c[name] for name in names))
    connection.execute(insert.from_select(names, selected))
