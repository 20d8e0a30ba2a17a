"""When alarms are raised: every kind of condition, on what a stream brings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from service.source_messages import SensorReport
from streaming.sensor_health.report import Clock, Flicker, HotPixelsFound, SensorHealth
from tests.service.alarms.house import House, house
from tests.service.observed import track_change

Test = Callable[[House], Awaitable[None]]


def live(test: Test, **settings: Any) -> None:
    async def run() -> None:
        async with house(**settings) as at:
            await test(at)

    asyncio.run(run())


def health(**figures: Any) -> SensorReport:
    common = {"t_us": 7, "seconds": 1.0, "events": 10, "events_per_s": 1e5, "on_share": 0.5, "silent_s": 0.0}
    rest = {"tiles": (), "hot": HotPixelsFound(), "flicker": (), "clock": Clock()}
    return SensorReport(SensorHealth(**{**common, **rest, **figures}))


def test_a_track_enters_leaves_and_stays() -> None:
    async def test(at: House) -> None:
        for event in ("enter", "leave"):
            await at.alarm({"on": "zone", "zone": "door", "event": event}, name=event, classes=["person"])
        at.stream.track(1, (90, 90), "car", "new")
        assert at.raised() == []
        at.stream.track(2, (90, 90), change="new")
        assert at.raised() == ["person 2 entered door"]
        for _ in range(10):
            at.stream.track(2, (90, 90))
        at.stream.track(2, (10, 90))
        assert at.raised()[1:] == ["person 2 left door after 0.4 s"]
        message = at.stream.told_of("alarm")[0]
        assert message["details"]["track_id"] == 2
        assert message["t_us"] == 80_000
        at.stream.track(3, (90, 90), change="new")
        at.stream.reset()
        assert len(at.raised()) == 3

    live(test)


def test_so_many_are_inside() -> None:
    async def test(at: House) -> None:
        await at.alarm({"on": "inside", "zone": "door", "more_than": 1, "for_s": 3})
        at.stream.track(1, (90, 90), change="new")
        at.stream.track(2, (90, 90), change="new")
        assert at.raised() == []
        at.now_s += 3
        at.stream.tick()
        at.stream.tick()
        assert at.raised() == ["2 inside door, more than 1"]  # once, as long as it lasts
        at.stream.track(2, (10, 90))
        at.stream.track(2, (90, 90))
        at.now_s += 3
        at.stream.tick()
        assert len(at.raised()) == 2

    live(test)


def test_those_who_are_inside_when_the_alarm_is_set_up_count() -> None:
    async def test(at: House) -> None:
        at.stream.track(1, (90, 90), "car", "new")
        at.stream.track(2, (90, 90), change="new")
        await at.alarm({"on": "inside", "zone": "door", "more_than": 0}, classes=["car"])
        at.stream.tick()
        assert at.raised() == ["1 inside door, more than 0"]
        assert at.stream.told_of("alarm")[0]["details"]["inside"] == {"car": 1}

    live(test)


@pytest.mark.parametrize(("direction", "expected"), [("any", 2), ("forward", 1), ("backward", 1)])
def test_a_line_is_crossed(direction: str, expected: int) -> None:
    async def test(at: House) -> None:
        await at.alarm({"on": "line", "line": "gate", "direction": direction})
        for y in (60, 140, 60):
            at.stream.track(1, (90, y))
        assert len(at.raised()) == expected
        assert at.raised()[0].startswith("person 1 crossed gate")

    live(test)


def test_a_class_is_seen_for_long_enough() -> None:
    async def test(at: House) -> None:
        await at.alarm({"on": "class", "score": 0.8, "for_ms": 200, "gap_ms": 80}, classes=["person"])
        for label, score in [("person", 0.7), ("car", 0.9)] * 10:
            at.see(label, score)
        assert at.raised() == []
        for _ in range(3):  # with pauses that are none
            at.see()
            at.stream.answer()
        assert at.raised() == []
        at.see()
        at.see()
        at.see()
        assert at.raised() == ["person seen with score 0.90 for 0.2 s"]
        for _ in range(3):
            at.stream.answer()
        for _ in range(5):
            at.see()
        assert len(at.raised()) == 1
        at.see()
        assert len(at.raised()) == 2

    live(test)


def test_a_stream_that_begins_anew_at_an_earlier_time() -> None:
    async def test(at: House) -> None:
        await at.alarm({"on": "class", "for_ms": 80})
        at.stream.t_us = 10_000_000
        at.see()
        at.stream.reset()
        at.stream.t_us = 0
        at.see()
        at.see()
        assert at.raised() == []
        at.see()
        assert len(at.raised()) == 1

    live(test)


def test_so_many_boxes_or_tracks() -> None:
    async def test(at: House) -> None:
        await at.alarm({"on": "count", "of": "boxes", "at_least": 2}, name="boxes", classes=["person"])
        await at.alarm({"on": "count", "of": "tracks", "at_least": 2, "for_ms": 80}, name="tracks")
        box = (10.0, 10.0, 30.0, 60.0)
        at.stream.answer([("person", 0.9, box), ("car", 0.9, box)])
        assert at.raised() == []
        at.stream.answer([("person", 0.9, box), ("person", 0.9, box)])
        assert at.raised() == ["2 boxes, at least 2"]
        both = [track_change(n, box, 0, change="new") for n in (1, 2)]
        at.stream.answer(changes=both)
        at.stream.answer()
        at.stream.answer()
        assert at.raised()[1:] == ["2 tracks, at least 2"]
        at.stream.answer(changes=[track_change(1, box, 0, change="lost")])
        at.stream.answer(changes=[track_change(1, box, 0)])
        assert len(at.raised()) == 2
        at.stream.reset()
        at.stream.answer(changes=both[:1])
        at.stream.answer()
        at.stream.answer()
        assert len(at.raised()) == 2

    live(test)


@pytest.mark.parametrize(
    ("when", "well", "bad", "words"),
    [
        ({"measure": "rate", "below": 1000}, {}, {"events_per_s": 12.0}, "12 events/s, below 1000"),
        (
            {"measure": "rate", "above": 1e6, "below": 5},
            {},
            {"events_per_s": 2e6},
            "2e+06 events/s, above 1e+06",
        ),
        ({"measure": "silence", "above": 5}, {}, {"silent_s": 6.0}, "6 s without events, above 5"),
        ({"measure": "hot_pixels", "above": 3}, {}, {"hot": HotPixelsFound(4, 0.1)}, "4 hot pixels, above 3"),
        ({"measure": "hot_share", "above": 0.2}, {}, {"hot": HotPixelsFound(1, 0.5)}, "0.5 of events from"),
        (
            {"measure": "flicker", "above": 0.2},
            {},
            {"flicker": (Flicker(100, 0.3, ()),)},
            "0.3 of events flicker",
        ),
        ({"measure": "on_share", "above": 0.8}, {"on_share": None}, {"on_share": 0.9}, "0.9 of events ON"),
    ],
)
def test_the_sensors_health(
    when: dict[str, Any], well: dict[str, Any], bad: dict[str, Any], words: str
) -> None:
    async def test(at: House) -> None:
        await at.alarm({"on": "health", "for_s": 2, **when})
        told = at.stream.observers[-1].told
        for figures in (well, bad):
            told(health(**figures))
            assert at.raised() == []
        at.now_s += 2
        told(health(**bad))
        assert words in at.raised()[0]
        assert at.raised()[0].endswith("for 2 s")
        told(health(**bad))
        assert len(at.raised()) == 1

    live(test)


def test_the_link_is_lost() -> None:
    async def test(at: House) -> None:
        await at.alarm({"on": "link", "for_s": 5})
        at.stream.link("live")
        at.now_s += 100
        at.stream.tick()
        for _ in range(4):  # attempts to come back do not make it less lost
            at.stream.link("lost")
            at.now_s += 1
            at.stream.link("connecting")
        assert at.raised() == []
        at.now_s += 1
        at.stream.tick()
        assert at.raised() == ["link connecting for 5 s"]
        at.stream.size()
        at.stream.link("lost")
        at.now_s += 4
        at.stream.tick()
        assert len(at.raised()) == 1

    live(test)


def test_a_stalled_link_counts_where_it_is_asked_for() -> None:
    async def test(at: House) -> None:
        await at.alarm({"on": "link", "for_s": 0}, name="lost")
        await at.alarm({"on": "link", "for_s": 0, "stalled": True}, name="stalled")
        at.stream.link("stalled")
        assert [message["name"] for message in at.stream.told_of("alarm")] == ["stalled"]

    live(test)


def test_a_link_that_is_lost_already_counts_from_when_the_alarm_is_set_up() -> None:
    async def test(at: House) -> None:
        at.stream.link("lost")
        await at.alarm({"on": "link", "for_s": 5})
        at.now_s += 5
        at.stream.tick()
        assert at.raised() == ["link lost for 5 s"]

    live(test)


def test_the_cooldown_holds_events_back_and_counts_them() -> None:
    async def test(at: House) -> None:
        made = await at.alarm({"on": "line", "line": "gate"}, cooldown_s=10)
        for y in (60, 140, 60, 140):
            at.stream.track(1, (90, y))
        assert len(at.raised()) == 1
        assert at.alarms.describe_one(made["id"])["suppressed"] == 2
        at.now_s += 10
        at.stream.track(1, (90, 60))
        assert [message["suppressed"] for message in at.stream.told_of("alarm")] == [0, 2]

    live(test)


def test_what_lasts_longer_than_the_cooldown_is_raised_after_it() -> None:
    async def test(at: House) -> None:
        await at.alarm({"on": "count", "of": "boxes", "at_least": 1}, cooldown_s=10)
        at.see()
        at.stream.answer()
        at.see()
        assert len(at.raised()) == 1
        at.now_s += 10
        at.see()
        assert len(at.raised()) == 2

    live(test)


def test_alarms_of_one_stream_and_of_all() -> None:
    async def test(at: House) -> None:
        back = at.join(type(at.stream)("back"))
        await at.alarm(name="front", stream="front")
        await at.alarm(name="all")
        await at.alarm(name="off", enabled=False)
        back.answer([("car", 0.9, (10, 10, 30, 60))])
        assert [message["name"] for message in back.told_of("alarm")] == ["all"]
        at.see()
        assert [message["name"] for message in at.stream.told_of("alarm")] == ["front", "all"]
        back.end()
        assert at.alarms.describe()[1]["raised"] == 1

    live(test)


def test_what_is_to_be_recorded_is_told_to_other_observers() -> None:
    async def test(at: House) -> None:
        await at.alarm(record={"before_s": 5, "after_s": 2.5}, name="a")
        await at.alarm(name="b")
        at.see()
        assert [happening.record for happening in at.stream.happenings] == [(5.0, 2.5), None]  # type: ignore[attr-defined]
        assert (
            at.metrics.exposition().decode().count('alarms_raised_total{alarm="a",stream="front"} 1.0') == 1
        )

    live(test)
