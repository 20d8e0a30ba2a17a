"""Questions to history: who, when, what, where; pages that miss nothing; plans that use the index."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service import history as service_history
from service.errors import BadRequest, DeadlineExceeded, UnknownStream
from service.history import History
from service.store import reader
from service.store.area import Area
from service.store.counts import Bucket
from service.store.database import Database, database_url
from service.store.entries import Boxes, TrackEnd, Watched
from service.store.filters import Filter, conditions
from service.store.paging import Ask, Cursor, page
from service.store.tables import detections, tracks
from tests.service.store.world import Home, answer, boxes_at, change

NOON_US = 4_000_003_200_000_000
HALL, STREET = Watched("a1", "hall", 640, 480), Watched("b2", "street", 640, 480)


def scattered(_: int) -> tuple[int, int, int, int]:
    return (1, 2, 3, 4)


def seconds(first: int, last: int, stream: Watched, *names: str) -> Iterator[Boxes]:
    """One answer each second."""
    for second in range(first, last):
        yield boxes_at(NOON_US + 1_000_000 * second, names or ("person", "car"), stream, scattered)


@pytest.fixture
def filled(home: Home) -> Home:
    home.put(*seconds(0, 30, HALL), *seconds(10, 20, STREET, "car", "bicycle"))
    return home


def test_conditions(filled: Home) -> None:
    at_ten = NOON_US + 10_000_000
    expected: list[tuple[dict[str, Any], int]] = [
        ({}, 80),
        ({"streams": ("a1",)}, 60),
        ({"streams": ("street",)}, 20),
        ({"streams": ("a1", "street")}, 80),
        ({"classes": ("car",)}, 40),
        ({"classes": ("car", "bicycle")}, 50),
        ({"classes": ("tram",)}, 0),
        ({"from_us": at_ten}, 60),
        ({"from_us": at_ten, "to_us": at_ten + 1_000_000}, 4),
        ({"streams": ("hall",), "classes": ("person",), "to_us": NOON_US + 5_000_001}, 6),
        ({"min_score": 0.9}, 40),
        ({"min_score": 0.8901}, 40),
        ({"min_score": 0.89}, 80),
        ({"track_id": 3}, 0),
    ]

    async def every(history: History) -> None:
        for asked, count in expected:
            found = await history.page(detections, Ask(Filter(**asked), limit=1000))
            assert len(found.rows) == count, asked

    filled.run(every)


def test_streams_that_were_never_seen_are_refused(filled: Home) -> None:
    with pytest.raises(UnknownStream, match="'cellar' is in the history"):
        filled.kept("detections", streams=("hall", "cellar"))


def test_pages_put_together_are_the_whole(filled: Home) -> None:
    async def walk(history: History, asked: dict[str, Any], newest_first: bool) -> list[tuple[int, int, int]]:
        found: list[tuple[int, int, int]] = []
        after: Cursor | None = None
        for _ in itertools.count():
            ask = Ask(Filter(**asked), after, 7, newest_first=newest_first)
            part = await history.page(detections, ask)
            found += [(row.wall_us, row.stream, row.number) for row in part.rows]
            if part.next is None:
                return found
            after = Cursor.parse(str(part.next))
        raise AssertionError("there is no end")

    async def every(history: History) -> None:
        for asked, rows in (({}, 80), ({"streams": ("a1",)}, 60), ({"classes": ("car",)}, 40)):
            for newest_first in (True, False):
                found = await walk(history, asked, newest_first)
                assert found == sorted(set(found), reverse=newest_first)
                assert len(found) == rows

    filled.run(every)


def test_a_page_of_just_the_limit_has_no_next_one(filled: Home) -> None:
    ask = Ask(Filter(streams=("b2",)), limit=20)
    assert filled.run(lambda history: history.page(detections, ask)).next is None


@pytest.mark.parametrize(
    "text", ["", "1", "1-2", "1-2-3-4", "-1-2-3", "1-2-x", "9" * 30 + "-1-1", "\u0661-1-1"]
)
def test_cursors_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="take it from the `next`"):
        Cursor.parse(text)


def test_boxes_of_a_track_are_found_while_it_lives_and_after(home: Home) -> None:
    box = ("person", 0.9, (0.0, 0.0, 10.0, 20.0))
    lived = [answer(t, [(*box, 3), (*box, 4)], [change("new", 3, t, 1)] * (t == 1)) for t in range(1, 6)]
    home.record(*lived, answer(6, [(*box, 4)], [change("end", 3, 6, 1)]), answer(7, [(*box, 4)]))
    assert [box["t_us"] for box in home.kept("detections", track_id=3)] == [1, 2, 3, 4, 5]
    assert len(home.kept("detections", track_id=4)) == 7
    assert [track["track_id"] for track in home.kept("tracks", track_id=3)] == [3]


def track(number: int, begun_s: int, ended_s: int, name: str = "person", best_e4: int = 5000) -> TrackEnd:
    begun_us, ended_us = (NOON_US + 1_000_000 * second for second in (begun_s, ended_s))
    return TrackEnd(HALL, number, ended_us, begun_us, 0, ended_us - begun_us, name, {}, 2, best_e4, [])


def test_tracks_that_lived_within_a_time(home: Home) -> None:
    home.put(track(1, 0, 10), track(2, 8, 20, best_e4=7000), track(3, 20, 21, "car"))
    expected: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [1, 2, 3]),
        ({"from_us": NOON_US + 15_000_000}, [2, 3]),
        ({"to_us": NOON_US + 5_000_000}, [1]),
        ({"from_us": NOON_US + 7_000_000, "to_us": NOON_US + 21_000_000}, [1, 2, 3]),
        ({"classes": ("car",)}, [3]),
        ({"min_score": 0.6}, [2]),
    ]
    for asked, numbers in expected:
        assert [found["track_id"] for found in home.kept("tracks", **asked)] == numbers, asked


def bucket(second: int, boxes: dict[str, int], tracks: dict[str, int]) -> Bucket:
    return Bucket(NOON_US + 1_000_000 * second, boxes, tracks)


def counted(home: Home, bucket_s: int, **asked: Any) -> list[Bucket]:
    return home.run(lambda history: history.counts(Filter(**asked), 1_000_000 * bucket_s))


def tracked(second: int, *found: tuple[str, int, bool], stream: Watched = HALL) -> Boxes:
    """Boxes of an answer: class, track, whether the first of it."""
    names, ids, begun = zip(*found, strict=True)
    sides = [(0, 0, 100, 100)] * len(found)
    return Boxes(stream, NOON_US + 1_000_000 * second, 0, names, [9000] * len(found), sides, ids, begun)


@pytest.fixture
def busy(home: Home) -> Home:
    """Person 1 from 0 s to 25 s; car 2 at 12 s, a bicycle at 13 s; person 1 of another stream at 31 s."""
    walker = (tracked(at, ("person", 1, at == 0)) for at in range(0, 26, 5))
    car = (tracked(12, ("car", 2, True)), tracked(13, ("bicycle", 2, True), ("person", 1, False)))
    home.put(*walker, *car, tracked(31, ("person", 1, True), stream=STREET))
    return home


def test_counts_over_time(busy: Home) -> None:
    assert counted(busy, 10) == [
        bucket(0, {"person": 2}, {"person": 1}),
        bucket(10, {"person": 3, "car": 1, "bicycle": 1}, {"car": 1, "bicycle": 1}),
        bucket(20, {"person": 2}, {}),
        bucket(30, {"person": 1}, {"person": 1}),
    ]
    assert counted(busy, 60, streams=("a1",)) == [
        bucket(0, {"person": 7, "car": 1, "bicycle": 1}, {"person": 1, "car": 1, "bicycle": 1})
    ]
    assert counted(busy, 3600, classes=("car",), from_us=NOON_US) == [bucket(0, {"car": 1}, {"car": 1})]
    assert counted(busy, 3600, to_us=NOON_US) == []


def test_counts_of_single_boxes_are_those_of_all(busy: Home) -> None:
    for bucket_s in (10, 20, 60):
        assert counted(busy, bucket_s, min_score=0.5) == counted(busy, bucket_s)


def test_counts_by_the_second_read_the_boxes(busy: Home) -> None:
    found = counted(busy, 1, streams=("hall",), from_us=NOON_US + 10_000_000)
    assert [(one.wall_us - NOON_US) // 1_000_000 for one in found] == [10, 12, 13, 15, 20, 25]
    assert sum(Counter[str](one.tracks).total() for one in found) == 3  # person 1 where it is met first


def test_counts_with_conditions_on_boxes(busy: Home) -> None:
    everywhere, nowhere = (Area(((x, 0.0), (x + 9, 0.0), (x + 9, 9.0), (x, 9.0))) for x in (-1.0, 50.0))
    assert counted(busy, 60, area=everywhere) == counted(busy, 60)
    assert counted(busy, 60, area=nowhere) == []
    assert counted(busy, 60, track_id=2) == [bucket(0, {"car": 1, "bicycle": 1}, {"car": 1, "bicycle": 1})]
    assert counted(busy, 60, min_score=0.95) == []


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """100 000 boxes of ten streams."""
    home = Home(tmp_path_factory.mktemp("crowded"))
    for number in range(10):
        stream = Watched(f"s{number}", f"stream {number}")
        times = range(NOON_US + number, NOON_US + 10**9, 10**6)
        home.put(*(boxes_at(wall_us, ["person"] * 10, stream, scattered) for wall_us in times))
    database = Database.attach(database_url("", home.folder))
    yield database
    database.close()


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({"streams": ("s3",), "from_us": NOON_US + 10**8}, "detections_of_stream"),
        ({"streams": ("s3",)}, "detections_of_stream"),
        ({"from_us": NOON_US + 10**8}, "PRIMARY KEY"),
        ({}, "detections"),  # a scan in the order of its key
    ],
)
@pytest.mark.parametrize("after", [None, Cursor(NOON_US + 5 * 10**8, 4, 3)], ids=["first", "later"])
@pytest.mark.parametrize("newest_first", [True, False])
def test_a_page_of_many_rows_reads_only_its_own(
    crowded: Database, asked: dict[str, Any], index: str, after: Cursor | None, newest_first: bool
) -> None:
    """SQLite goes along an index from where the page begins, and sorts nothing but the page."""
    plans: list[str] = []

    def explain(connection: Any) -> None:
        found = page(connection, detections, Ask(Filter(**asked), after, 50, newest_first=newest_first))
        assert len(found.rows) == 50
        statements = traced.pop()
        plans.extend(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statements}").all())

    traced: list[str] = []
    with crowded.readers.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.set_trace_callback(lambda text: traced.append(text) if "detections" in text else None)
        explain(connection)
        raw.set_trace_callback(None)
    (walk,) = (plan for plan in plans if plan.split()[1] == "detections")
    assert index in walk
    assert walk.startswith("SEARCH" if asked or after else "SCAN")
    inner = plans[: plans.index(walk) + 1]
    assert not any("TEMP B-TREE" in plan for plan in inner)


def test_a_question_that_takes_too_long_is_stopped(
    crowded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = select(detections.c.number).where(*[detections.c.t_us * n != -1 for n in range(1, 200)])
    with pytest.raises(DeadlineExceeded, match="ask for a shorter time"):
        reader.read(crowded, lambda connection: connection.execute(slow).all(), 0.01)
    assert reader.read(crowded, lambda connection: conditions(connection, tracks, Filter()), 10) == []


def test_closing_does_not_wait_for_questions(crowded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_history, "READ_S", 1000)
    slow = select(detections.c.number).where(*[detections.c.t_us * n != -1 for n in range(1, 200)])
    begun, home = threading.Event(), Home(Path(str(crowded.path)).parent)

    def ask(connection: Any) -> Any:
        begun.set()
        for _ in range(1000):
            connection.execute(slow).all()

    async def scenario(history: History) -> asyncio.Task[Any]:
        question = asyncio.create_task(history._store.read(ask))
        await asyncio.to_thread(begun.wait, 20)
        await history.close()
        assert question.done() or await asyncio.wait([question], timeout=20)
        return question

    with pytest.raises(DeadlineExceeded):
        home.run(scenario).result()
