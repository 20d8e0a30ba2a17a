"""What a database's own errors mean to us: damaged, locked, full, away."""

from __future__ import annotations

import sqlite3
from typing import TypeAlias

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from service.errors import StoreDamaged, StoreUnavailable

DatabaseFault: TypeAlias = SQLAlchemyError | OSError
"""A socket's errors are among them, because pg8000 lets them through."""
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_ADVICE = {
    "SQLITE_BUSY": "another process holds it locked; end that process, or give this service its own file",
    "SQLITE_LOCKED": "another process holds it locked; end that process, or give this service its own file",
    "SQLITE_FULL": "the disk is full; make room",
    "SQLITE_IOERR": "the disk fails or is full; look at it",
    "SQLITE_READONLY": "it may not be written; check its owner and the file system",
    "SQLITE_CANTOPEN": "it cannot be opened; check its owner and its folder",
}


def told(error: DatabaseFault, name: str) -> StoreUnavailable:
    """`error` of the database `name`, in words that say what to do."""
    found = _sqlite_name(error)
    if found.startswith(_DAMAGED):
        return StoreDamaged(
            f"the database {name} is damaged or no database ({_reason(error)}). Nothing in it was changed. "
            f"Move it away to begin a new one, with its -wal and -shm; `sqlite3 {name} .recover | sqlite3 "
            "saved.db` gets back what can be read"
        )
    advice = next((text for code, text in _ADVICE.items() if found.startswith(code)), None)
    if advice is None:
        server = "check that its server runs and that database_url is right"
        advice = server if passes(error) else "this is a fault of Spikesight, please report it"
    return StoreUnavailable(f"the database {name} does not take this ({_reason(error)}): {advice}")


def passes(error: DatabaseFault) -> bool:
    """The same may go through later: locked, full, or a server that is away."""
    return not isinstance(error, DBAPIError) or isinstance(error, OperationalError) or _away(error)


def _away(error: DBAPIError) -> bool:
    return error.connection_invalidated or type(error.orig).__name__ == "InterfaceError" or _damaged(error)


def _damaged(error: DBAPIError) -> bool:
    return _sqlite_name(error).startswith(_DAMAGED)


def _sqlite_name(error: DatabaseFault) -> str:
    """SQLite's own name of what is wrong, such as SQLITE_BUSY; empty for other databases."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    return str(getattr(cause, "sqlite_errorname", "")) if isinstance(cause, sqlite3.Error) else ""


def _reason(error: DatabaseFault) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if cause is None or not cause.args:
        return type(error).__name__
    first = cause.args[0]
    text = (
        first.get("M", "") if isinstance(first, dict) else str(first)
    )  # pg8000 gives the fields of the answer
    return text[:300] or type(cause).__name__
