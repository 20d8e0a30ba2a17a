"""The schema's versions, in order; each is plain SQL that both SQLite and PostgreSQL take.

A version that was released is never changed: what comes later is a new one at the end. `tables.py` describes
the last of them, and a test holds the two together.
"""

from __future__ import annotations

import time

import structlog
from sqlalchemy import Connection, inspect

from service.errors import StoreTooNew

_log = structlog.get_logger("service.store")

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (  # 1: what the service is told to keep
        """CREATE TABLE streams (
            id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, spec TEXT NOT NULL, created_us BIGINT NOT NULL
        )""",
        """CREATE TABLE documents (
            kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, updated_us BIGINT NOT NULL,
            PRIMARY KEY (kind, key)
        )""",
    ),
)
_VERSIONS = """CREATE TABLE IF NOT EXISTS schema_version (
    version INTEGER NOT NULL PRIMARY KEY, since_us BIGINT NOT NULL
)"""
_LOCK = 0x5B1CE516


def migrate(connection: Connection, name: str) -> None:
    """Brings the database `name` to the last version, wholly or not at all; `connection` is in a transaction.

    Raises:
        StoreTooNew: a later version of Spikesight wrote it.
    """
    if connection.dialect.name == "postgresql":  # SQLite's transaction holds its lock already
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    version = _version(connection)
    if version > len(MIGRATIONS):
        raise StoreTooNew(
            f"the database {name} has schema version {version}; this Spikesight knows versions up to "
            f"{len(MIGRATIONS)}. Install the version that wrote it, or give this one another data_dir or "
            "database_url. Nothing in it was changed"
        )
    if version == len(MIGRATIONS):
        return
    connection.exec_driver_sql(_VERSIONS)
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        for statement in statements:
            connection.exec_driver_sql(_for(connection.dialect.name, statement))
        connection.exec_driver_sql(f"INSERT INTO schema_version VALUES ({number}, {time.time_ns() // 1000})")
    _log.info("database brought up", database=name, found=version, version=len(MIGRATIONS))


def _version(connection: Connection) -> int:
    if not inspect(connection).has_table("schema_version"):
        return 0
    return int(connection.exec_driver_sql("SELECT MAX(version) FROM schema_version").scalar() or 0)


def _for(dialect: str, statement: str) -> str:
    """WITHOUT ROWID is SQLite's way to keep a table in the order of its key, once instead of twice."""
    return statement if dialect == "sqlite" else statement.replace("WITHOUT ROWID", "")
