"""`Writer`: the one thread that writes; calls first, then rows in batches."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, Literal, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from service.errors import StoreUnavailable
from service.store.database import Database, transaction
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
        with self._changed:
            lost = sum(map(len, self._held)) + sum(lane.depth for lane in self._lanes)
        if lost:
            _log.warning("rows of history not written at the end", rows=lost, reason=self.fault)

    def call(self, function: Callable[[Connection], T]) -> Future[T]:
        """`function` in a transaction of its own, in order with the other calls.

        Raises:
            StoreUnavailable: too many calls wait; from the future: the database does not take it.
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
            first = not self._rows_wait()
            lane.put(entry)
            if first:
                self._next_rows_s = time.monotonic() + GATHER_S
                self._changed.notify()

    def queues(self) -> list[dict[str, Any]]:
        """How full each lane is."""
        with self._changed:
            return [lane.describe() for lane in self._lanes]

    def _run(self) -> None:
        while not self._finished():
            with self._changed:
                if not self._due():  # once: what comes meanwhile sets another time to wait
                    self._changed.wait(self._wait_s())
                call = self._calls.popleft() if self._calls else None
                if call is None and self._rows_due() and not self._held:
                    self._held = self._take()
                rows_due = self._rows_due()
            if call is not None:
                self._answer(*call)
            elif rows_due:
                self._write_rows()

    def _due(self) -> bool:
        return bool(self._calls) or self._closing or self._rows_due()

    def _rows_due(self) -> bool:
        return self._rows_wait() and (self._closing or time.monotonic() >= self._next_rows_s)

    def _rows_wait(self) -> bool:
        return bool(self._held) or any(lane.depth for lane in self._lanes)

    def _wait_s(self) -> float | None:
        return max(0.0, self._next_rows_s - time.monotonic()) if self._rows_wait() else None

    def _take(self) -> list[E]:
        return next((lane.take(BATCH_ROWS) for lane in self._lanes if lane.depth), [])

    def _finished(self) -> bool:
        """Asked to close and done; rows that the database does not take are left behind."""
        with self._changed:
            rows = self._rows_wait() and self.fault is None
            return self._closing and not self._calls and not rows

    def _answer(self, function: Callable[[Connection], Any], future: Future[Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            with transaction(self._database.writer) as connection:
                result = function(connection)
        except (SQLAlchemyError, OSError) as error:
            future.set_exception(told(error, self._database.name))
        except Exception as error:  # noqa: BLE001  # the caller's own, and the caller's to handle
            future.set_exception(error)
        else:
            future.set_result(result)

    def _write_rows(self) -> None:
        held, self._held = self._held, []
        outcome = self._written(held)
        if outcome == "refused" and len(held) > 1:  # one is at fault; the others are not lost for it
            self._write_singly(held)
        elif outcome == "refused":
            self.refused += sum(map(len, held))
        elif outcome == "later":
            self._again(held)

    def _write_singly(self, held: list[E]) -> None:
        for at, entry in enumerate(held):
            outcome = self._written([entry])
            if outcome == "refused":
                self.refused += len(entry)
            elif outcome == "later":
                self._again(held[at:])
                return

    def _again(self, held: list[E]) -> None:
        """Tries these later; meanwhile the lanes fill, and drop."""
        self._held = held
        self._next_rows_s = time.monotonic() + RETRY_S

    def _written(self, entries: list[E]) -> Literal["yes", "later", "refused"]:
        try:
            with transaction(self._database.writer) as connection:
                self._put(connection, entries)
        except (SQLAlchemyError, OSError) as error:
            reason = str(told(error, self._database.name))
            if passes(error):
                self._set_fault(reason)
                return "later"
            return self._refuse(reason, entries)
        except Exception as error:  # noqa: BLE001  # the thread's edge: without it nothing is written any more
            return self._refuse(repr(error), entries)
        self._set_fault(None)
        self.rows += sum(map(len, entries))
        return "yes"

    def _refuse(self, reason: str, entries: list[E]) -> Literal["refused"]:
        _log.warning("rows of history refused", reason=reason, entries=len(entries))
        self._set_fault(None)
        return "refused"

    def _set_fault(self, reason: str | None) -> None:
        if reason is not None and self.fault is None:
            _log.error("history is not being written", reason=reason)
        if reason is None and self.fault is not None:
            _log.info("history is written again")
        self.fault = reason
