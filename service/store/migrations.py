"""The schema's versions, in order; each is plain SQL that both SQLite and PostgreSQL take.

A version that was released is never changed: what comes later is a new one at the end. `tables.py` describes
the last of them, and a test holds the two together.
"""

from __future__ import annotations

import time

import structlog
from sqlalchemy import Connection, inspect

from service.errors import StoreTooNew, StoreUnavailable

_log = structlog.get_logger("service.store")

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (  # 1: what the service is told to keep
        """CREATE TABLE documents (
            kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, updated_us BIGINT NOT NULL,
            PRIMARY KEY (kind, key)
        )""",
    ),
    (  # 2: what was seen
        """CREATE TABLE watched (
            key INTEGER NOT NULL PRIMARY KEY, stream_id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
            width INTEGER, height INTEGER
        )""",
        "CREATE TABLE labels (key INTEGER NOT NULL PRIMARY KEY, label TEXT NOT NULL UNIQUE)",
        """CREATE TABLE detections (
            wall_us BIGINT NOT NULL, stream INTEGER NOT NULL, number INTEGER NOT NULL,
            t_us BIGINT NOT NULL, label INTEGER NOT NULL, score_e4 INTEGER NOT NULL,
            left_cpx INTEGER NOT NULL, top_cpx INTEGER NOT NULL,
            right_cpx INTEGER NOT NULL, bottom_cpx INTEGER NOT NULL, track_id BIGINT,
            PRIMARY KEY (wall_us, stream, number)
        ) WITHOUT ROWID""",
        "CREATE INDEX detections_of_stream ON detections (stream, wall_us)",
        """CREATE TABLE tallies (
            wall_us BIGINT NOT NULL, stream INTEGER NOT NULL, label INTEGER NOT NULL,
            boxes BIGINT NOT NULL, tracks BIGINT NOT NULL,
            PRIMARY KEY (wall_us, stream, label)
        ) WITHOUT ROWID""",
        "CREATE INDEX tallies_of_stream ON tallies (stream, wall_us)",
        """CREATE TABLE tracks (
            wall_us BIGINT NOT NULL, stream INTEGER NOT NULL, number BIGINT NOT NULL,
            begun_wall_us BIGINT NOT NULL, begun_us BIGINT NOT NULL, ended_us BIGINT NOT NULL,
            label INTEGER NOT NULL, votes TEXT NOT NULL, boxes INTEGER NOT NULL, best_e4 INTEGER NOT NULL,
            path TEXT NOT NULL,
            PRIMARY KEY (wall_us, stream, number)
        ) WITHOUT ROWID""",
        "CREATE INDEX tracks_of_stream ON tracks (stream, wall_us)",
        "CREATE INDEX tracks_by_id ON tracks (stream, number)",
        """CREATE TABLE happenings (
            wall_us BIGINT NOT NULL, stream INTEGER NOT NULL, number INTEGER NOT NULL,
            kind TEXT NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (wall_us, stream, number)
        ) WITHOUT ROWID""",
        "CREATE INDEX happenings_of_stream ON happenings (stream, wall_us)",
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
    version = _version(connection, name)
    if version == len(MIGRATIONS):
        return
    connection.exec_driver_sql(_VERSIONS)
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        for statement in statements:
            connection.exec_driver_sql(_for(connection.dialect.name, statement))
        connection.exec_driver_sql(f"INSERT INTO schema_version VALUES ({number}, {time.time_ns() // 1000})")
    _log.info("database brought up", database=name, found=version, version=len(MIGRATIONS))


def check_version(connection: Connection, name: str) -> None:
    """Raises `StoreTooNew`, or `StoreUnavailable` where the schema is an older one."""
    version = _version(connection, name)
    if version < len(MIGRATIONS):
        raise StoreUnavailable(
            f"the database {name} has schema version {version}, this Spikesight reads {len(MIGRATIONS)}; "
            "start the service once, which brings it up"
        )


def _version(connection: Connection, name: str) -> int:
    """0 for an empty database. Raises `StoreTooNew`."""
    if not inspect(connection).has_table("schema_version"):
        return 0
    version = int(connection.exec_driver_sql("SELECT MAX(version) FROM schema_version").scalar() or 0)
    if version > len(MIGRATIONS):
        raise StoreTooNew(
            f"the database {name} has schema version {version}; this Spikesight knows versions up to "
            f"{len(MIGRATIONS)}. Install the version that wrote it, or give this one another data_dir or "
            "database_url. Nothing in it was changed"
        )
    return version


def _for(dialect: str, statement: str) -> str:
    """WITHOUT ROWID is SQLite's way to keep a table in the order of its key, once instead of twice."""
    return statement if dialect == "sqlite" else statement.replace("WITHOUT ROWID", "")
