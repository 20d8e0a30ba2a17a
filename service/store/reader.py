"""`Reader`: queries in threads of their own, each with a deadline."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from service.errors import DeadlineExceeded, StoreUnavailable
from service.store.database import READERS, Database, transaction
from service.store.faults import DatabaseFault, told

T = TypeVar("T")
MAX_WAITING = 64
_STEPS = 20_000  # of SQLite's machine between two looks at the clock, under a millisecond


class Reader:
    """Runs queries, a few at a time.

    Args:
        database: where from.
        deadline_s: longest query.
    """

    def __init__(self, database: Database, deadline_s: float) -> None:
        self._database, self._deadline_s = database, deadline_s
        self._threads = ThreadPoolExecutor(READERS, "store-reader")
        self._closing = threading.Event()
        self._places = threading.BoundedSemaphore(READERS + MAX_WAITING)

    def call(self, function: Callable[[Connection], T]) -> Future[T]:
        """`function` on one view of the database.

        Raises:
            StoreUnavailable: too many queries wait; from the future: the database does not answer.
            DeadlineExceeded: from the future; it took too long and was stopped.
        """
        if not self._places.acquire(blocking=False):
            raise StoreUnavailable(
                f"the database {self._database.name} is busy with {READERS + MAX_WAITING} queries; try again"
            )
        future = self._threads.submit(read, self._database, function, self._deadline_s, self._closing)
        future.add_done_callback(lambda _: self._places.release())
        return future

    def close(self) -> None:
        """Stops the queries that run (PostgreSQL's at their deadline); those that wait are cancelled."""
        self._closing.set()
        self._threads.shutdown(cancel_futures=True)


def read(
    database: Database,
    function: Callable[[Connection], T],
    deadline_s: float,
    closing: threading.Event | None = None,
) -> T:
    """`function` on one view of `database`, in the calling thread.

    Raises:
        StoreUnavailable: the database does not answer.
        DeadlineExceeded: it took too long and was stopped.
    """
    try:
        with transaction(database.readers) as connection:
            _limit(connection, deadline_s, closing or threading.Event())
            return function(connection)
    except (SQLAlchemyError, OSError) as error:
        if _stopped(error):
            raise DeadlineExceeded(
                f"found no answer after {deadline_s:g} s; ask for a shorter time (from, to) or for one stream"
            ) from None
        raise told(error, database.name) from error


def _limit(connection: Connection, deadline_s: float, closing: threading.Event) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(1e3 * deadline_s)}")
        return
    ends_s = time.monotonic() + deadline_s
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    raw.set_progress_handler(lambda: closing.is_set() or time.monotonic() > ends_s, _STEPS)


def _stopped(error: DatabaseFault) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorname", "") == "SQLITE_INTERRUPT"
    fields = cause.args[0] if cause is not None and cause.args else None
    return isinstance(fields, dict) and fields.get("C") == "57014"
