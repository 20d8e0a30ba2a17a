"""What is too old or too much is forgotten, the oldest first, a few rows at a time."""

from __future__ import annotations

import sqlite3

from sqlalchemy import Connection, delete, exists, func, select

from service.store.tables import HISTORY, detections, tallies, watched

BATCH_ROWS = 5_000
BATCH_PAGES = 1_000
SLACK = 0.95
"""Past the limit, so much of it is left: not every row then drives out another."""
_POSTGRESQL_ROW_BYTES = 110
"""A row's headers and its two index entries in PostgreSQL, besides its columns."""


def forget_older(connection: Connection, cut_us: int) -> bool:
    """Deletes a batch of what is older than `cut_us`, time of day in microseconds; whether more is left."""
    border_us = _border(connection)
    if border_us is None:
        return False
    _delete(connection, min(border_us, cut_us))
    return border_us < cut_us


def forget_oldest(connection: Connection, used: int) -> int:
    """Deletes a batch of what is oldest; `used_bytes` after that, 0 where nothing is left."""
    border_us = _border(connection)
    if border_us is None:
        return 0
    rows = _delete(connection, border_us)
    if _is_sqlite(connection):
        return used_bytes(connection)
    return used - rows * _row_bytes(connection, detections.name)  # statistics come with `settle`


def settle(connection: Connection) -> None:
    """After rows were deleted: has PostgreSQL count again what it has."""
    if not _is_sqlite(connection):
        connection.exec_driver_sql(f"ANALYZE {', '.join(table.name for table in HISTORY)}")


def forget_tallies(connection: Connection, cut_us: int) -> None:
    """Deletes those older than `cut_us`. They are few, and outlive the boxes that are too many."""
    connection.execute(delete(tallies).where(tallies.c.wall_us < cut_us))


def forget_streams(connection: Connection) -> None:
    """Forgets names of streams of which no row is left."""
    left = [
        exists(select(table.c.stream).where(table.c.stream == watched.c.key)) for table in (*HISTORY, tallies)
    ]
    connection.execute(delete(watched).where(*(~found for found in left)))


def used_bytes(connection: Connection) -> int:
    """What the rows take: of SQLite exactly, of PostgreSQL by its statistics.

    The size of PostgreSQL's files says nothing here: they keep the room of deleted rows for new ones.
    """
    if _is_sqlite(connection):
        pages, free, size = (
            _pragma(connection, name) for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size
    return sum(_estimated(connection, table.name) for table in HISTORY)


def give_back(connection: Connection) -> bool:
    """Cuts a batch of unused pages off SQLite's file; whether more are left. PostgreSQL does it by itself."""
    if not _is_sqlite(connection) or not _pragma(connection, "freelist_count"):
        return False
    # A step a page, and no rows: only the driver's own cursor takes them all.
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    raw.execute(f"PRAGMA incremental_vacuum({BATCH_PAGES})").fetchall()
    return _pragma(connection, "freelist_count") > 0


def _border(connection: Connection) -> int | None:
    """A time of day before which no table has more rows than a batch; None where there are none."""
    borders = []
    for table in HISTORY:
        key = list(table.primary_key.columns)
        oldest = select(table.c.wall_us).order_by(*key)
        border_us = connection.scalar(oldest.offset(BATCH_ROWS).limit(1))
        if border_us is None:
            newest_us = connection.scalar(select(func.max(table.c.wall_us)))
            border_us = None if newest_us is None else newest_us + 1
        borders.append(border_us)
    return min((border for border in borders if border is not None), default=None)


def _delete(connection: Connection, border_us: int) -> int:
    return sum(
        connection.execute(delete(table).where(table.c.wall_us < border_us)).rowcount for table in HISTORY
    )


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar() or 0)


def _estimated(connection: Connection, table: str) -> int:
    rows = connection.exec_driver_sql(
        "SELECT n_live_tup FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname = %s",
        (table,),
    ).scalar()
    return (rows or 0) * _row_bytes(connection, table)


def _row_bytes(connection: Connection, table: str) -> int:
    columns = connection.exec_driver_sql(
        f"SELECT AVG(pg_column_size(r.*)) FROM (SELECT * FROM {table} LIMIT 1000) AS r"
    ).scalar()
    return int(columns or 0) + _POSTGRESQL_ROW_BYTES


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"
