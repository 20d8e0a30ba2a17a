"""INSERT ... ON CONFLICT, which SQLite and PostgreSQL have and SQL has not."""

from __future__ import annotations

from typing import TypeAlias

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Insert: TypeAlias = "sqlite.Insert | postgresql.Insert"


def insert_into(connection: Connection, table: Table) -> Insert:
    """An INSERT that may say `on_conflict_do_update` and `on_conflict_do_nothing`."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
