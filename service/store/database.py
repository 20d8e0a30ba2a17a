"""`Database`: engines over SQLite or PostgreSQL, opened, checked and brought up to the present schema."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from model.errors import BadSetting
from service.errors import StoreUnavailable
from service.store.faults import told
from service.store.migrations import check_version, migrate

FILE_NAME = "spikesight.db"
BUSY_MS = 5_000
READERS = 2
SOCKET_S = 30
_WAL_BYTES = 16 << 20
_POSTGRESQL = ("postgresql", "postgres", "postgresql+pg8000")
_SQLITE = ("sqlite", "sqlite+pysqlite")


@dataclass(frozen=True, slots=True)
class Database:
    """An open database; all its methods block.

    Attributes:
        name: its URL without the password, for people.
        path: the file, None where it is no SQLite.
        writer: for the one thread that writes.
        readers: for the threads that read; they cannot write.
    """

    name: str
    path: Path | None
    writer: Engine
    readers: Engine

    @classmethod
    def open(cls, url: URL) -> Database:
        """Connects, and brings an older schema up to the present one.

        Raises:
            StoreDamaged: the file is no database, or a broken one.
            StoreTooNew: a later version of Spikesight wrote it.
            StoreUnavailable: it does not answer, is locked, or may not be written.
        """
        path, name = _place(url)
        if path is not None:
            _make_file(path)
        with reported(name):
            database = cls(name, path, *(_postgresql(url) if path is None else _sqlite(url)))
            try:
                with transaction(database.writer) as connection:
                    migrate(connection, name)
            except BaseException:
                database.close()
                raise
        return database

    @classmethod
    def attach(cls, url: URL) -> Database:
        """For reading what another process keeps; nothing is made or changed.

        Raises:
            StoreUnavailable: there is none, of this version, or it does not answer. See `open`.
        """
        path, name = _place(url)
        if path is not None and not path.is_file():
            raise StoreUnavailable(f"found no database {name}; check data_dir and database_url")
        with reported(name):
            database = cls(name, path, *(_postgresql(url) if path is None else _sqlite(url)))
            try:
                with transaction(database.readers) as connection:
                    check_version(connection, name)
            except BaseException:
                database.close()
                raise
        return database

    def close(self) -> None:
        """Closes every connection."""
        self.readers.dispose()
        self.writer.dispose()


def database_url(text: str, data_folder: Path) -> URL:
    """The URL of the setting `database_url`; SQLite in `data_folder` where it is empty.

    Raises:
        BadSetting: a database that is neither SQLite nor PostgreSQL, or SQLite in memory.
    """
    allowed = "sqlite:////absolute/path.db and postgresql://user:password@host/name are known"
    if not text:
        return URL.create("sqlite+pysqlite", database=str(data_folder.absolute() / FILE_NAME))
    try:
        url = make_url(text)
    except ArgumentError:  # its text may hold a password
        raise BadSetting(f"database_url cannot be read as a URL; {allowed}") from None
    if url.drivername in _POSTGRESQL:
        return url.set(drivername="postgresql+pg8000")
    if url.drivername in _SQLITE and url.database not in (None, "", ":memory:"):
        return url.set(drivername="sqlite+pysqlite")
    raise BadSetting(
        f"database_url is {url.render_as_string(hide_password=True)!r}; {allowed}, nothing in memory"
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction, which is committed where nothing is raised.

    Raises:
        SQLAlchemyError, OSError: of the database.
    """
    try:
        connection = engine.connect()
    except OSError:  # pg8000 lets a socket's errors through; the pool's next connection is a new one
        connection = engine.connect()
    with connection, connection.begin():
        yield connection


@contextmanager
def reported(name: str) -> Iterator[None]:
    """Turns errors of the database `name` into those of `service/errors.py`."""
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise told(error, name) from error


def _place(url: URL) -> tuple[Path | None, str]:
    """The file, where it is SQLite, and what to call it."""
    if url.get_backend_name() != "sqlite":
        return None, url.render_as_string(hide_password=True)
    return Path(url.database or ""), str(url.database)


def _sqlite(url: URL) -> tuple[Engine, Engine]:
    common: dict[str, Any] = {"connect_args": {"timeout": BUSY_MS / 1e3}, "poolclass": QueuePool}
    writer = create_engine(url, pool_size=1, max_overflow=0, **common)
    readers = create_engine(url, pool_size=READERS, max_overflow=0, **common)

    @event.listens_for(writer, "connect")
    def _for_writing(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # transactions are begun below, DDL is part of them
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file; later changes need VACUUM
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")

    @event.listens_for(readers, "connect")
    def _for_reading(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA query_only = ON")

    @event.listens_for(writer, "begin")
    def _begin_writing(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(readers, "begin")
    def _begin_reading(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return writer, readers


def _make_file(path: Path) -> None:
    """An empty file for us alone: what is kept may hold secrets of webhooks."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise BadSetting(
            f"the database {path} cannot be opened for writing: {error.strerror}; check data_dir or "
            "database_url"
        ) from error


def _postgresql(url: URL) -> tuple[Engine, Engine]:
    try:
        import pg8000  # noqa: F401  # an optional extra
    except ImportError:
        raise BadSetting(
            "database_url names PostgreSQL, whose driver is not installed: pip install 'spikesight[postgres]'"
        ) from None
    common: dict[str, Any] = {"connect_args": {"timeout": SOCKET_S}, "pool_pre_ping": True}
    writer = create_engine(url, pool_size=1, max_overflow=0, **common)
    readers = create_engine(
        url,
        pool_size=READERS,
        max_overflow=0,
        execution_options={"postgresql_readonly": True},
        **common,
    )
    return writer, readers
