"""Opening databases: new, older, later, damaged, somebody else's."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Inspector, create_engine, inspect

from model.errors import BadSetting
from service.errors import StoreDamaged, StoreTooNew, StoreUnavailable
from service.history import History
from service.store import migrations, tables
from service.store.database import Database, database_url
from tests.servers import free_port
from tests.service.store.world import Home


async def nothing(history: History) -> None:
    pass


async def save(history: History) -> None:
    await history.documents.save("zones", "a", {"n": 1})


def shape(inspector: Inspector) -> dict[str, Any]:
    """Columns, keys and indices of all tables."""
    return {
        name: (
            [(column["name"], column["nullable"]) for column in inspector.get_columns(name)],
            inspector.get_pk_constraint(name)["constrained_columns"],
            sorted(
                (str(index["name"]), index["column_names"]) for index in plain(inspector.get_indexes(name))
            ),
            sorted(one["column_names"] for one in inspector.get_unique_constraints(name)),
        )
        for name in inspector.get_table_names()
    }


def plain(indexes: Sequence[Any]) -> list[Any]:
    return [index for index in indexes if not index["unique"]]


def test_migrations_end_where_the_tables_are_described(home: Home, tmp_path: Path) -> None:
    home.run(nothing)
    described = create_engine(f"sqlite:///{tmp_path}/described.db")
    tables.metadata.create_all(described)
    database = Database.attach(database_url(home.url or "", home.folder))
    found, expected = shape(inspect(database.readers)), shape(inspect(described))
    database.close()
    described.dispose()
    assert found == expected


def test_an_older_database_is_brought_up_and_keeps_what_it_has(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:1])
        database = Database.open(database_url(home.url or "", home.folder))
        with database.writer.begin() as connection:
            connection.exec_driver_sql("INSERT INTO documents VALUES ('zones', 'a', '{\"n\":1}', 0)")
        database.close()
    with pytest.raises(
        StoreUnavailable, match="schema version 1, this Spikesight reads 2; start the service"
    ):
        Database.attach(database_url(home.url or "", home.folder))
    assert home.run(lambda history: history.documents.all("zones")) == {"a": {"n": 1}}


def test_a_migration_that_fails_changes_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.run(save)
    broken = (*migrations.MIGRATIONS, ("CREATE TABLE new (a INTEGER)", "CREATE TABLE no column"))
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", broken)
        with pytest.raises(StoreUnavailable, match="syntax"):
            home.run(nothing)
    assert home.run(lambda history: history.documents.all("zones")) == {"a": {"n": 1}}


def test_a_later_database_is_refused_and_left_alone(home: Home) -> None:
    home.run(save)
    database = Database.open(database_url(home.url or "", home.folder))
    with database.writer.begin() as connection:
        connection.exec_driver_sql("INSERT INTO schema_version VALUES (99, 0)")
    database.close()
    with pytest.raises(
        StoreTooNew, match=r"schema version 99; .* up to 2\. Install the version that wrote it"
    ):
        home.run(nothing)
    with pytest.raises(StoreTooNew):
        Database.attach(database_url(home.url or "", home.folder))


@pytest.mark.parametrize("damage", ["text", "header", "pages"])
def test_a_damaged_file_is_refused_and_left_alone(sqlite_home: Home, damage: str) -> None:
    sqlite_home.run(save)
    path = sqlite_home.folder / "spikesight.db"
    data = bytearray(path.read_bytes())
    if damage == "text":
        data = bytearray(b"Dear diary, " * 1000)
    elif damage == "header":
        data[:32] = bytes(32)
    else:
        data[100:8192] = b"\xa5" * 8092
    path.write_bytes(data)
    with pytest.raises(
        StoreDamaged, match=r"damaged or no database .* Nothing in it was changed\. Move it away"
    ):
        sqlite_home.run(nothing)
    assert path.read_bytes() == data


def test_a_file_cut_short_loses_no_more_than_was_cut(sqlite_home: Home) -> None:
    sqlite_home.run(save)
    path = sqlite_home.folder / "spikesight.db"
    data = path.read_bytes()[:-5000]
    path.write_bytes(data)
    with pytest.raises(StoreDamaged):
        sqlite_home.run(save)
    assert path.read_bytes() == data


def test_the_file_is_ours_alone_and_in_wal_mode(sqlite_home: Home) -> None:
    sqlite_home.run(nothing)
    path = sqlite_home.folder / "spikesight.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    connection.close()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadSetting, match="cannot be opened for writing: File exists; check data_dir"):
        Database.open(database_url("", tmp_path / "file"))


def test_a_missing_database_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="found no database"):
        Database.attach(database_url("", tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    url = database_url(f"postgresql://me:secret@127.0.0.1:{free_port()}/x", tmp_path)
    with pytest.raises(StoreUnavailable, match="check that its server runs") as caught:
        Database.open(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "mysql://me:secret@host/x",
        "sqlite://",
        "sqlite:///:memory:",
        "nothing",
        "postgresql+psycopg2:///x",
        "::",
    ],
)
def test_other_urls_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"sqlite:////absolute/path\.db and postgresql://") as caught:
        database_url(text, tmp_path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["postgresql://h/x", "postgres://h/x", "postgresql+pg8000://h/x"])
def test_postgresql_goes_by_its_usual_names(text: str, tmp_path: Path) -> None:
    assert database_url(text, tmp_path).drivername == "postgresql+pg8000"
