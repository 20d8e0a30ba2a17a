"""What of a stream is kept, read back from the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from service.errors import UnknownStream
from service.history import History
from service.store.filters import Filter
from service.store.paging import Ask
from service.store.recorder import Recorder
from service.store.tables import detections
from streaming.source import SourceInfo
from tests.service.store.world import FakeStream, Found, Home, Note, answer, change

PERSON: Found = ("person", 0.91234, (10.004, 20.5, 30.25, 60.126), 7)
CAR: Found = ("car", 0.5, (100, 120, 300, 240), 0)


def test_boxes_come_back_as_messages_have_them(home: Home) -> None:
    before = datetime.now(UTC)
    home.record(answer(40_000, [PERSON, CAR]), answer(80_000), answer(2**53, [CAR]))
    found = home.kept("detections")
    times = [datetime.fromisoformat(box.pop("time")) for box in found]
    assert before <= times[0] == times[1] < times[2] <= datetime.now(UTC) + timedelta(seconds=1)
    stream = {"stream": "a1", "name": "street"}
    car = {**stream, "label": "car", "score": 0.5, "xyxy": [100.0, 120.0, 300.0, 240.0], "track_id": None}
    assert found == [
        {
            **stream,
            "t_us": 40_000,
            "label": "person",
            "score": 0.9123,
            "xyxy": [10.0, 20.5, 30.25, 60.13],
            "track_id": 7,
        },
        {**car, "t_us": 40_000},
        {**car, "t_us": 2**53},
    ]


def test_of_the_answers_within_an_interval_the_first_with_boxes_is_kept(sqlite_home: Home) -> None:
    async def watch(history: History) -> None:
        clock = iter([0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 0.28, 5.0])
        recorder = Recorder(FakeStream(), history._keep, 0.1, lambda: next(clock))
        recorder.answered(answer(0))  # without boxes: the next one is kept
        for number in range(1, 9):
            recorder.answered(answer(number, [CAR]))

    sqlite_home.run(watch)
    assert [box["t_us"] for box in sqlite_home.kept("detections")] == [1, 3, 5, 8]


def test_a_track_is_kept_at_its_end_with_its_way_and_votes(home: Home) -> None:
    begun = 1_000_000
    way = [
        change("new", 5, begun, begun, (0, 0, 10, 20), 0.4, (0.2, 0.8, 0.0)),
        change("update", 5, begun + 40_000, begun, (10, 0, 20, 20), 0.9),
        change("lost", 5, begun + 80_000, begun, (90, 90, 99, 99), 0.9),
        change("update", 5, begun + 120_000, begun, (20, 0, 30, 20.5), 0.6, (0.7, 0.3, 0.0)),
        change("end", 5, begun + 500_000, begun, (50, 50, 60, 60), 0.6, (0.7, 0.3, 0.0)),
    ]
    home.record(*(answer(one.t_us, changes=[one]) for one in way))
    (track,) = home.kept("tracks")
    assert datetime.fromisoformat(track.pop("begun")) < datetime.fromisoformat(track.pop("time"))
    assert track == {
        "stream": "a1",
        "name": "street",
        "track_id": 5,
        "t_us": [begun, begun + 500_000],
        "label": "person",
        "votes": {"person": 0.7, "car": 0.3},
        "boxes": 3,
        "score": 0.9,
        "path": [[begun, 5.0, 10.0], [begun + 40_000, 15.0, 10.0], [begun + 120_000, 25.0, 10.2]],
    }


def test_a_long_way_is_kept_with_few_points_from_begin_to_end(sqlite_home: Home) -> None:
    steps = [change("update", 1, 40_000 * at, 0, (at, 0, at + 2, 2)) for at in range(1, 10_000)]
    ways = [change("new", 1, 0, 0, (0, 0, 2, 2)), *steps, change("end", 1, 40_000 * 10_000, 0)]
    sqlite_home.record(*(answer(one.t_us, changes=[one]) for one in ways))
    (track,) = sqlite_home.kept("tracks")
    path = track["path"]
    assert track["boxes"] == 10_000
    assert 32 <= len(path) <= 64
    assert path[0] == [0, 1.0, 1.0]
    assert path[-1] == [40_000 * 9_999, 10_000.0, 1.0]
    gaps = {later[0] - earlier[0] for earlier, later in pairwise(path[:-1])}
    assert len(gaps) == 1


def test_tracks_that_live_when_the_stream_ends_are_kept(sqlite_home: Home) -> None:
    sqlite_home.record(answer(40_000, changes=[change("new", n, 40_000, 40_000) for n in (1, 2)]))
    assert [track["track_id"] for track in sqlite_home.kept("tracks")] == [1, 2]


def test_happenings_are_kept_as_viewers_were_told(home: Home) -> None:
    zone = {"type": "zone", "zone": "door", "event": "enter", "note": "ü\0\ud800"}

    async def watch(history: History) -> None:
        observer = history.observe(FakeStream())
        observer.happened(Note(zone))
        observer.happened(Note({"type": "alarm", "at": [1, 2.5, None]}))

    home.run(watch)
    found = home.kept("happenings")
    assert [(one["kind"], one["body"]) for one in found] == [
        ("zone", zone),
        ("alarm", {"type": "alarm", "at": [1, 2.5, None]}),
    ]
    assert [one["kind"] for one in home.kept("happenings", kinds=("alarm", "link"))] == ["alarm"]


def test_one_row_that_cannot_be_written_takes_no_others_with_it(home: Home) -> None:
    async def watch(history: History) -> None:
        observer = history.observe(FakeStream())
        observer.happened(Note({"type": "zone", "n": 1}))
        observer.happened(Note({"type": "zone", "n": float("nan")}))
        observer.happened(Note({"type": "zone", "n": 2}))
        await history._store.close(5)
        assert history.health()["refused"] == 1
        assert history.health()["state"] == "ok"

    home.run(watch)
    assert [one["body"]["n"] for one in home.kept("happenings")] == [1, 2]


def test_names_of_any_kind_are_kept(home: Home) -> None:
    stream = FakeStream(id="b2", name="Straße \0 \ud800")
    home.record(answer(1, [CAR]), stream=stream)
    assert [box["name"] for box in home.kept("detections")] == ["Straße ? ?"]


def test_a_stream_that_was_renamed_is_found_by_its_new_name(sqlite_home: Home) -> None:
    sqlite_home.record(answer(1, [CAR]), stream=FakeStream(info=None))
    sqlite_home.record(answer(2, [CAR]), stream=FakeStream(name="hall", info=SourceInfo("sim", 8, 6)))
    assert len(sqlite_home.kept("detections", streams=("hall",))) == 2
    assert len(sqlite_home.kept("detections", streams=("a1",))) == 2
    with pytest.raises(UnknownStream, match="'street'"):
        sqlite_home.kept("detections", streams=("street",))


def test_a_stream_that_runs_and_has_shown_nothing_is_known(sqlite_home: Home) -> None:
    async def ask(history: History) -> int:
        history.observe(FakeStream())
        return len((await history.page(detections, Ask(Filter(streams=("street",))))).rows)

    assert sqlite_home.run(ask) == 0


def test_nothing_is_kept_where_there_is_no_room_for_it(sqlite_home: Home) -> None:
    async def health(history: History) -> Any:
        return history.health()["state"]

    sqlite_home.record(answer(1, [CAR]), history_max_mb=0)
    assert sqlite_home.kept("detections") == []
    assert sqlite_home.run(health, history_max_mb=0) == "off"
    assert sqlite_home.run(health) == "ok"


def test_the_last_id_of_a_track_is_known_also_after_a_kill(home: Home) -> None:
    ended = answer(40_000, [PERSON], [change("new", 7, 1, 1), change("end", 7, 2, 1)])
    home.record(ended, answer(80_000, [(*CAR[:3], 9)]))  # 9 was never ended

    async def last(history: History) -> tuple[int, int]:
        return await history.last_track_id("a1"), await history.last_track_id("zz")

    assert home.run(last) == (9, 0)
