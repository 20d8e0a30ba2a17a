"""A database that is slow, locked, full or away: live goes on, what is lost is counted, all of it is said."""

from __future__ import annotations

import asyncio
import itertools
import resource
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from service import history as service_history
from service.errors import StoreUnavailable
from service.history import History
from service.store import database, writer
from service.store.entries import Watched, put
from service.store.filters import Filter
from service.store.paging import Ask
from service.store.tables import detections
from tests.service.store.world import FakeStream, Home, Note, answer, boxes_at, until

CAR = ("car", 0.5, (100.0, 120.0, 300.0, 240.0), 0)
NOON_US = 4_000_000_000_000_000
HALL = Watched("a1", "hall")


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Another process holds the file."""
    other = sqlite3.connect(home.folder / "spikesight.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the patience that a busy disk deserves."""
    monkeypatch.setattr(database, "BUSY_MS", 20)
    monkeypatch.setattr(writer, "RETRY_S", 0.05)


@pytest.mark.usefixtures("hasty")
def test_while_it_is_locked_rows_wait_and_are_written_after(sqlite_home: Home) -> None:
    async def scenario(history: History) -> None:
        observer = history.observe(FakeStream())
        with locked(sqlite_home):
            observer.answered(answer(1, [CAR]))
            await until(lambda: history.health()["state"] == "failing")
            assert "another process holds it locked" in history.health()["detail"]
            with pytest.raises(StoreUnavailable, match="holds it locked"):
                await history.documents.save("zones", "a", {})
            observer.answered(answer(2, [CAR]))
        await until(lambda: history.health()["rows"] == 2)
        assert history.health()["state"] == "ok"
        assert history.health()["detail"] is None
        await history.documents.save("zones", "a", {})

    sqlite_home.run(scenario)
    assert [box["t_us"] for box in sqlite_home.kept("detections")] == [1, 2]


def test_where_it_is_too_slow_the_oldest_boxes_are_dropped_and_counted(
    sqlite_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live goes on: nothing that is offered waits for the database, which stands still all the time."""
    stands, goes = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> None:
        stands.set()
        assert goes.wait(20)
        put(*arguments)

    monkeypatch.setattr(service_history, "put", slow)
    monkeypatch.setattr(service_history, "BOX_ROWS", 100)

    async def scenario(history: History) -> dict[str, Any]:
        observer = history.observe(FakeStream())
        observer.answered(answer(0, [CAR]))
        await until(stands.is_set)
        for t_us in range(1, 201):
            observer.answered(answer(t_us, [CAR, CAR, CAR]))
        observer.happened(Note({"type": "alarm"}))  # these have a queue of their own
        health = history.health()
        goes.set()
        await until(lambda: history.health()["rows"] == 1 + 99 + 1)
        return health

    queues = {queue["name"]: queue for queue in sqlite_home.run(scenario)["queues"]}
    assert queues["history-boxes"].pop("oldest_ms") >= 0
    assert queues["history-boxes"] == {
        "name": "history-boxes",
        "policy": "drop_oldest",
        "bound": 100,
        "depth": 99,
        "dropped": 600 - 99,
    }
    assert (queues["history-events"]["depth"], queues["history-events"]["dropped"]) == (1, 0)
    assert [box["t_us"] for box in sqlite_home.kept("detections")] == [
        0,
        *(t for t in range(168, 201) for _ in "123"),
    ]
    assert len(sqlite_home.kept("happenings")) == 1


@pytest.mark.usefixtures("hasty")
def test_a_full_disk_is_said_and_gets_over_with(sqlite_home: Home) -> None:
    sqlite_home.put(boxes_at(NOON_US, ["car"], HALL, lambda _: (1, 2, 3, 4)))
    path = sqlite_home.folder / "spikesight.db"

    async def scenario(history: History) -> None:
        with file_size_limit(path.stat().st_size + 16_384):
            for at in range(1, 49):
                history._keep(boxes_at(NOON_US + at, ["car"] * 100, HALL, lambda _: (1, 2, 3, 4)))
            await until(lambda: history.health()["state"] == "failing")
            assert "the disk fails or is full" in history.health()["detail"]
        await until(lambda: history.health()["rows"] == 4800)
        assert history.health()["state"] == "ok"

    sqlite_home.run(scenario)
    assert len(sqlite_home.kept("detections")) == 4801


@contextmanager
def file_size_limit(bytes_: int) -> Iterator[None]:
    """Writes beyond it fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("hasty")
def test_rows_outlive_connections_that_a_server_ends(postgresql_url: str, tmp_path: Path) -> None:
    home = Home(tmp_path, postgresql_url)

    async def scenario(history: History) -> None:
        observer = history.observe(FakeStream())
        for t_us in range(3):
            observer.answered(answer(t_us, [CAR]))
            await until(lambda: history.health()["rows"] == t_us + 1)  # noqa: B023  # awaited here
            assert len(await history.documents.all("zones")) == t_us
            end_connections(postgresql_url)
            await history.documents.save("zones", str(t_us), {})

    home.run(scenario)
    assert [box["t_us"] for box in home.kept("detections")] == [0, 1, 2]


def end_connections(text: str) -> None:
    import pg8000.native

    url = make_url(text)
    with pg8000.native.Connection(url.username or "", host=url.host or "", port=url.port or 0) as connection:
        connection.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )


def test_what_the_database_does_not_take_in_time_does_not_hold_up_the_end(
    sqlite_home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(database, "BUSY_MS", 20)

    async def scenario(history: History) -> None:
        history._keep(boxes_at(NOON_US, ["car"] * 5, HALL, lambda _: (1, 2, 3, 4)))

    async def leave() -> None:
        history = await History.open(sqlite_home.settings(), sqlite_home.folder)
        await scenario(history)
        with locked(sqlite_home):
            async with asyncio.timeout(10):
                await history.close()

    asyncio.run(leave())
    assert "rows of history not written at the end" in capsys.readouterr().out
    assert sqlite_home.kept("detections") == []


def test_reading_goes_on_while_rows_are_written(home: Home) -> None:
    """Each page is of whole answers of ten boxes, however many are being written."""

    async def scenario(history: History) -> None:
        observer = history.observe(FakeStream())
        seen: set[int] = set()
        answers = itertools.count(1)
        while len(seen) < 4:  # three times at least some were written meanwhile
            observer.answered(answer(next(answers), [CAR] * 10))
            rows = (await history.page(detections, Ask(Filter(), limit=10_000))).rows
            assert len(rows) % 10 == 0
            seen.add(len(rows))
        offered = 10 * (next(answers) - 1)
        await until(lambda: history.health()["rows"] == offered)
        assert len((await history.page(detections, Ask(Filter(), limit=100_000))).rows) == offered

    home.run(scenario)
