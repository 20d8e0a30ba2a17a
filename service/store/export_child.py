"""What writes an export: in a child process of the service, or in the command line's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, make_url

from service.errors import DiskFull, ServiceError, to_wire
from service.store.database import Database
from service.store.export_formats import Format, write
from service.store.filters import Filter
from service.store.paging import Ask, Page, page
from service.store.reader import read
from service.store.tables import detections
from streaming.outlet import Outlet

PAGE_ROWS = 5_000
"""Each page is a query of its own: one that took minutes would keep SQLite from tidying up behind it."""
READ_S = 60.0


def export(outlet: Outlet, url: str, asked: Filter, path: Path, form: Format, reserve_bytes: int) -> None:
    """A child's main: sends the count of rows so far, and last, where it failed, what `to_wire` says."""
    try:
        database = Database.attach(make_url(url))
        try:
            write_export(database, asked, path, form, reserve_bytes, outlet.send)
        finally:
            database.close()
    except ServiceError as error:
        outlet.send(to_wire(error))


def write_export(
    database: Database,
    asked: Filter,
    path: Path,
    form: Format,
    reserve_bytes: int,
    on_rows: Callable[[int], object],
) -> int:
    """Writes what is `asked` to `path` and returns how many boxes that were.

    Args:
        reserve_bytes: disk that stays free.
        on_rows: told the count so far, now and then.

    Raises:
        DiskFull: it would eat into `reserve_bytes`.
        StoreUnavailable, DeadlineExceeded: of the database.
    """
    count = 0

    def rows() -> Iterator[Row[Any]]:
        nonlocal count
        for found in _pages(database, asked):
            _check_room(path.parent, reserve_bytes)
            yield from found.rows
            count += len(found.rows)
            on_rows(count)

    try:
        write(rows(), path, form)
    except OSError as error:
        raise DiskFull(f"the export could not be written to {path}: {error.strerror}; make room") from error
    return count


def _pages(database: Database, asked: Filter) -> Iterator[Page]:
    ask: Ask | None = Ask(asked, limit=PAGE_ROWS, newest_first=False)
    while ask is not None:
        found = read(database, _query(ask), READ_S)
        yield found
        ask = None if found.next is None else Ask(asked, found.next, PAGE_ROWS, newest_first=False)


def _query(ask: Ask) -> Callable[[Connection], Page]:
    return lambda connection: page(connection, detections, ask)


def _check_room(folder: Path, reserve_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < reserve_bytes:
        raise DiskFull(f"found {free} bytes of free disk, {reserve_bytes} must stay; export less (from, to)")
