"""Pages of history: rows in the order of their key, and where the next page begins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Row, Table, select, tuple_

from service.errors import BadRequest
from service.store.filters import Filter, conditions
from service.store.tables import labels, watched

_CURSOR = re.compile(r"(\d{1,18})-(\d{1,9})-(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """The key of the last row of a page; those after it are the next one, whatever was written meanwhile."""

    wall_us: int
    stream: int
    number: int

    def __str__(self) -> str:
        return f"{self.wall_us}-{self.stream}-{self.number}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises BadRequest."""
        match = _CURSOR.fullmatch(text)
        if match is None:
            raise BadRequest(
                f"cursor is {text[:80]!r}; take it from the `next` of the page before, unchanged"
            )
        return cls(*map(int, match.groups()))


@dataclass(frozen=True, slots=True)
class Ask:
    """One page.

    Attributes:
        filter: which rows.
        after: the last row of the page before, None for the first page.
        limit: most rows.
        newest_first: else the oldest first.
    """

    filter: Filter
    after: Cursor | None = None
    limit: int = 100
    newest_first: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and the cursor of the next page; None at the end."""

    rows: Sequence[Row[Any]]
    next: Cursor | None


def page(connection: Connection, table: Table, ask: Ask) -> Page:
    """A page of one of the tables of history; rows have `stream_id`, `name`, `width`, `height` and the class
    as `class_name` besides the table's own columns."""
    key = list(table.primary_key.columns)
    query = select(table).where(*conditions(connection, table, ask.filter))
    if ask.after is not None:
        query = query.where(*_after(key, ask.after, newest_first=ask.newest_first))
    query = query.order_by(*(column.desc() if ask.newest_first else column for column in key))
    # Only the rows of the page are joined to their names: the order stays that of the index.
    found = query.limit(ask.limit + 1).subquery()
    rows = connection.execute(_named(found, ask)).all()
    if len(rows) <= ask.limit:
        return Page(rows, None)
    last = rows[ask.limit - 1]
    return Page(rows[: ask.limit], Cursor(last.wall_us, last.stream, last.number))


def _after(key: list[Any], last: Cursor, *, newest_first: bool) -> list[ColumnElement[bool]]:
    """The row comparison says it all; the plain one besides is what an index by stream can use."""
    mark = (last.wall_us, last.stream, last.number)
    if newest_first:
        return [tuple_(*key) < mark, key[0] <= last.wall_us]
    return [tuple_(*key) > mark, key[0] >= last.wall_us]


def _named(found: Any, ask: Ask) -> Any:
    columns = [found, watched.c.stream_id, watched.c.name, watched.c.width, watched.c.height]
    joined = found.join(watched, watched.c.key == found.c.stream)
    if "label" in found.c:
        columns.append(labels.c.label.label("class_name"))
        joined = joined.join(labels, labels.c.key == found.c.label)
    order = [found.c.wall_us, found.c.stream, found.c.number]
    return (
        select(*columns).select_from(joined).order_by(*(c.desc() if ask.newest_first else c for c in order))
    )
