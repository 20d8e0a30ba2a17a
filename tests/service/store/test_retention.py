"""What is too old or too much goes, the oldest first, and its room with it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from service.errors import UnknownStream
from service.history import History
from service.store import retention
from service.store.entries import Boxes, Happened, TrackEnd, Watched
from service.store.filters import Filter
from service.store.paging import Ask
from service.store.tables import detections
from tests.service.store.world import Home, boxes_at

HALL, GONE = Watched("a1", "hall"), Watched("b2", "gone")
DAY_US = 86_400_000_000


def old(days: float) -> int:
    return time.time_ns() // 1000 - round(days * DAY_US)


def seen(wall_us: int, stream: Watched = HALL, boxes: int = 1) -> Boxes:
    return boxes_at(wall_us, ["car"] * boxes, stream, lambda _: (1, 2, 3, 4))


def ended(wall_us: int) -> TrackEnd:
    return TrackEnd(HALL, wall_us % 1000 + 1, wall_us, wall_us - 10, 0, 10, "car", {}, 1, 5000, [])


async def tidy(history: History) -> dict[str, Any]:
    await history.tidy()
    return history.health()


def test_what_is_too_old_is_forgotten(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 3)
    home.put(
        *(seen(old(days) - at, GONE) for days in (9, 8) for at in range(5)),
        *(seen(old(6) + at) for at in range(5)),
        *(ended(old(days)) for days in (9, 8, 6)),
        *(Happened(HALL, old(days), "zone", {}) for days in (9, 6)),
    )
    assert len(home.kept("detections", streams=("gone",))) == 10
    home.run(tidy, history_days=7.5)
    assert len(home.kept("detections")) == 5
    assert len(home.kept("tracks")) == 1
    assert len(home.kept("happenings")) == 1
    with pytest.raises(UnknownStream):
        home.kept("detections", streams=("gone",))


def test_it_is_done_without_being_asked(sqlite_home: Home) -> None:
    sqlite_home.put(seen(old(50)), seen(old(1)))

    async def watch(history: History) -> None:
        """Each opening tidies up, and so does every minute after."""
        async with asyncio.timeout(20):
            while len((await history.page(detections, Ask(Filter()))).rows) > 1:
                pass

    sqlite_home.run(watch)


def test_what_is_too_much_is_forgotten_and_the_file_shrinks(sqlite_home: Home) -> None:
    newest_us = old(0.1)
    for part in range(3):
        sqlite_home.put(*(seen(newest_us - 100_000 * (part + 1) + at, boxes=20) for at in range(950)))
    sqlite_home.put(ended(newest_us - 1000), Happened(HALL, newest_us - 1000, "zone", {}))
    path = sqlite_home.folder / "spikesight.db"
    before = path.stat().st_size
    assert before > 3 << 20
    health = sqlite_home.run(tidy, history_max_mb=2)
    assert 1.5 * (1 << 20) < health["used_bytes"] <= 2 << 20
    assert path.stat().st_size <= (2 << 20) + 65_536
    left = sqlite_home.kept("detections", from_us=newest_us - 100_000)
    assert len(left) > 9500  # of the newest part more than the half
    assert sqlite_home.kept("detections", to_us=newest_us - 290_000) == []
    assert len(sqlite_home.kept("tracks")) == len(sqlite_home.kept("happenings")) == 1


def test_counts_outlive_the_boxes_that_were_too_many(sqlite_home: Home) -> None:
    for part in range(3):
        sqlite_home.put(*(seen(old(1) + 10_000 * part + at, boxes=20) for at in range(900)))
    sqlite_home.run(tidy, history_max_mb=1)
    (bucket,) = sqlite_home.run(lambda history: history.counts(Filter(), 100 * DAY_US))
    assert bucket.boxes == {"car": 54_000}
    assert len(sqlite_home.kept("detections", from_us=old(1) + 25_000)) < 54_000


def test_postgresql_is_measured_by_its_live_rows(postgresql_url: str, tmp_path: Any) -> None:
    home = Home(tmp_path, postgresql_url)
    for part in range(2):
        home.put(*(seen(old(1) + 10_000 * part + at, boxes=20) for at in range(500)))

    async def measure(history: History) -> int:
        await history._store.write(lambda connection: connection.exec_driver_sql("ANALYZE detections"))
        return await history._store.read(retention.used_bytes)

    used = home.run(measure)
    assert 100 * 20_000 < used < 300 * 20_000
    home.run(tidy, history_max_mb=2)
    rows = len(home.run(lambda history: history._store.read(all_rows)))
    assert 5_000 < rows < 15_000
    home.run(tidy, history_max_mb=2)  # what was deleted is not counted any more
    assert len(home.run(lambda history: history._store.read(all_rows))) == rows


def all_rows(connection: Any) -> list[Any]:
    return list(connection.exec_driver_sql("SELECT wall_us FROM detections").all())
