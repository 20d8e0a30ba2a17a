"""`Writer`: the one thread that writes; calls first, then rows in batches."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from service.errors import ServiceError, StoreUnavailable
from service.store.database import Database
from service.store.faults import passes, told
from service.store.lane import E, Lane

T = TypeVar("T")
Call = tuple[Callable[[Connection], Any], "Future[Any]"]
Put = Callable[[Connection, Sequence[E]], None]

MAX_CALLS = 256
BATCH_ROWS = 2_000
GATHER_S = 0.25
"""Rows wait this long for others, so that a commit pays for many."""
RETRY_S = 2.0
_log = structlog.get_logger("service.store")


class Writer(Generic[E]):
    """Writes to a database in a thread of its own.

    `call` is for what must be kept: it is done at once and its errors are the caller's. `offer` is for rows
    of which some may be lost: it never waits, and where the database is slow, locked or full its oldest rows
    are dropped and counted.

    Args:
        database: where to.
        put: writes entries of a lane, in a transaction; called in the thread.
        lanes: what entries wait in; earlier ones are written first.

    Attributes:
        rows: rows written.
        refused: rows that the database would not take for what they are, and never will.
        fault: what is wrong with the database now, None where all is well.
    """

    def __init__(self, database: Database, put: Put[E], lanes: Sequence[Lane[E]]) -> None:
        self._database, self._put, self._lanes = database, put, tuple(lanes)
        self.rows = self.refused = 0
        self.fault: str | None = None
        self._calls: deque[Call] = deque()
        self._held: list[E] = []  # taken from a lane, not written yet
        self._next_rows_s = 0.0
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self, patience_s: float) -> None:
        """Writes what waits, where that goes without fault and within `patience_s`, and ends the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(patience_s)

    def call(self, function: Callable[[Connection], T]) -> Future[T]:
        """`function` in a transaction of its own, in order with the other calls.

        Raises (from the future):
            StoreUnavailable: the database does not take it, or too many calls wait.
        """
        future: Future[T] = Future()
        with self._changed:
            if self._closing or len(self._calls) >= MAX_CALLS:
                found = "is closing" if self._closing else f"is busy with {MAX_CALLS} other changes"
                raise StoreUnavailable(f"the database {self._database.name} {found}; try again")
            self._calls.append((function, future))
            self._changed.notify()
        return future

    def offer(self, lane: Lane[E], entry: E) -> None:
        """`entry` to be written soon, if there is room."""
        with self._changed:
            if not any(each.depth for each in self._lanes) and not self._held:
                self._next_rows_s = max(self._next_rows_s, time.monotonic() + GATHER_S)
                self._changed.notify()
            lane.put(entry)

    def queues(self) -> list[dict[str, Any]]:
        """How full each lane is."""
        with self._changed:
            return [lane.describe() for lane in self._lanes]

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._due, self._wait_s())
                call = self._calls.popleft() if self._calls else None
                if call is None and not self._due():
                    continue
                if call is None and not self._held:
                    self._held = self._take()
            if call is not None:
                self._answer(*call)
            elif self._held:
                self._write_rows()
            if self._finished():
                return

    def _due(self) -> bool:
        rows = bool(self._held) or any(lane.depth for lane in self._lanes)
        return bool(self._calls) or self._closing or (rows and time.monotonic() >= self._next_rows_s)

    def _wait_s(self) -> float | None:
        rows = bool(self._held) or any(lane.depth for lane in self._lanes)
        return max(0.0, self._next_rows_s - time.monotonic()) if rows else None

    def _take(self) -> list[E]:
        return next((lane.take(BATCH_ROWS) for lane in self._lanes if lane.depth), [])

    def _finished(self) -> bool:
        with self._changed:
            waits = self._held or any(lane.depth for lane in self._lanes)
            return self._closing and not self._calls and (not waits or self.fault is not None)

    def _answer(self, function: Callable[[Connection], Any], future: Future[Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            with self._database.writer.begin() as connection:
                result = function(connection)
        except SQLAlchemyError as error:
            future.set_exception(told(error, self._database.name))
        except Exception as error:  # noqa: BLE001  # the caller's own, and the caller's to handle
            future.set_exception(error)
        else:
            self._well()
            future.set_result(result)

    def _write_rows(self) -> None:
        held = self._held
        try:
            with self._database.writer.begin() as connection:
                self._put(connection, held)
        except SQLAlchemyError as error:
            self._failed(error, sum(map(len, held)))
        else:
            self._held = []
            self.rows += sum(map(len, held))
            self._well()

    def _failed(self, error: SQLAlchemyError, rows: int) -> None:
        reported: ServiceError = told(error, self._database.name)
        if passes(error):  # these rows are tried again; meanwhile the lanes fill, and drop
            self._next_rows_s = time.monotonic() + RETRY_S
        else:
            self._held = []
            self.refused += rows
        if self.fault is None:
            _log.error("history is not being written", reason=str(reported), rows=rows)
        self.fault = str(reported)

    def _well(self) -> None:
        if self.fault is not None:
            _log.info("the database takes rows again")
        self.fault = None
