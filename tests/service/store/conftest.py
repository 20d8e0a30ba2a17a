"""Databases for tests: a new SQLite file, and a new database of a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pg8000.native
import pytest
from sqlalchemy import make_url

from service import history
from tests import postgresql
from tests.service.store.world import Home


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    reason = postgresql.missing()
    if reason:
        pytest.skip(reason)
    with postgresql.server() as url:
        yield url


@pytest.fixture
def postgresql_url(postgresql_server: str) -> str:
    """An empty database."""
    url = make_url(postgresql_server)
    with pg8000.native.Connection(url.username or "", host=url.host or "", port=url.port or 0) as connection:
        connection.run("DROP SCHEMA public CASCADE")  # a new database takes a second and eight megabytes
        connection.run("CREATE SCHEMA public")
    return f"{postgresql_server}/postgres"


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """A data folder and the database of the settings."""
    url = request.getfixturevalue("postgresql_url") if request.param == "postgresql" else None
    return Home(tmp_path, url)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine too all is written at the end."""
    monkeypatch.setattr(history, "CLOSE_S", 60)


@pytest.fixture
def sqlite_home(tmp_path: Path) -> Home:
    return Home(tmp_path)
