"""Files of history from either database; how they go in a process of their own."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from service import readings
from service.errors import QueueFull, ServiceError
from service.history import History
from service.store import exports
from service.store.entries import Watched
from service.store.filters import Filter
from tests.service.store.world import Home, boxes_at, until

NOON_US = 4_000_000_000_000_000


@pytest.fixture
def filled(home: Home) -> Home:
    hall, times = Watched("a1", "hall"), range(NOON_US, NOON_US + 1200)
    home.put(*(boxes_at(wall_us, ["car"] * 10, hall, lambda _: (1, 2, 3, 4)) for wall_us in times))
    return home


def test_an_export_of_several_pages_holds_each_row_once(filled: Home) -> None:
    async def export(history: History) -> str:
        path = await history.export(Filter(streams=("hall",)), "csv")
        return path.read_text()

    lines = filled.run(export).splitlines()[1:]
    assert len(lines) == len(set(lines)) == 12_000
    assert lines == sorted(lines, key=lambda line: line.split(",")[0])  # which keeps the order of equals


def test_what_an_export_left_behind_is_removed_at_the_next_start(sqlite_home: Home) -> None:
    async def leave(history: History) -> Path:
        return await history.export(Filter(), "csv")

    async def nothing(history: History) -> None:
        pass

    path = sqlite_home.run(leave)
    assert path.exists()
    (path.parent.parent / "stray").touch()
    sqlite_home.run(nothing)
    assert list((sqlite_home.folder / "exports").iterdir()) == []


def test_too_many_at_the_same_time_are_refused(sqlite_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "WAITING", 1)

    async def crowd(history: History) -> list[object]:
        work = [asyncio.create_task(history.export(Filter(), "csv")) for _ in range(4)]
        return await asyncio.gather(*work, return_exceptions=True)

    found = sqlite_home.run(crowd)
    assert sum(isinstance(one, Path) for one in found) == 2
    assert sum(isinstance(one, QueueFull) for one in found) == 2


def test_a_process_that_is_killed_is_an_error_and_leaves_nothing(
    sqlite_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(history: History) -> None:
        real = readings.Child

        def killed(*arguments: Any, **options: Any) -> Any:
            child = real(*arguments, **options)
            os.kill(child.pid, signal.SIGKILL)
            return child

        monkeypatch.setattr(readings, "Child", killed)
        with pytest.raises(ServiceError, match=r"ended early: .*SIGKILL"):
            await history.export(Filter(), "csv")
        await until(lambda: not list((sqlite_home.folder / "exports").iterdir()))
        monkeypatch.setattr(readings, "Child", real)
        assert (await history.export(Filter(), "csv")).exists()

    sqlite_home.run(scenario)
