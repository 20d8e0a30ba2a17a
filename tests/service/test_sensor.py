"""A sensor's health from the source's child to viewers, other observers, Prometheus and HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from service.happenings import Happening
from service.observers import Observer
from service.routes import sensor as route
from service.sensor import HELD, SensorChanged, SensorWatch
from service.source_messages import SensorReport
from streaming.events import Events
from streaming.sensor_health.report import SensorHealth, Verdict
from streaming.sensor_health.watch import HealthWatch
from tests.service.clip_streams import ChildStream
from tests.service.observed import ObservedStream
from tests.service.recordings import DTYPE
from tests.service.small_app import Streams, small_app

WIDTH, HEIGHT = 64, 48
LAMP_HZ = 100


def flickering(path: Path, seconds: float = 2.0) -> Path:
    """A lamp over all of the sensor, and a hot pixel at (7, 9)."""
    rng = np.random.default_rng(0)
    count = round(60_000 * seconds)
    events = np.zeros(count, DTYPE)
    events["t"] = np.sort(rng.integers(0, round(seconds * 1e6), count))
    slope = np.cos(2 * np.pi * LAMP_HZ * events["t"] / 1e6)
    events["x"], events["y"] = rng.integers(0, WIDTH, count), rng.integers(0, HEIGHT, count)
    events["p"] = slope > 0
    events = events[rng.random(count) < np.abs(slope)]
    events["x"][::100], events["y"][::100] = 7, 9
    np.save(path, events)
    return path


def health_of(events: Events) -> SensorHealth:
    watch = HealthWatch(WIDTH, HEIGHT, live=True)
    watch.add(events)
    return watch.report()


def some_health(**verdicts: str) -> SensorHealth:
    """A report with these levels by topic."""
    found = health_of(
        Events.of(np.arange(1000) * 1000, np.arange(1000) % 64, np.arange(1000) % 48, np.arange(1000) % 2)
    )
    chosen = tuple(Verdict(topic, level, f"{topic} is {level}") for topic, level in verdicts.items())  # type: ignore[arg-type] # by name
    return replace(found, verdicts=chosen or found.verdicts)


class Observed(ObservedStream):
    """A stream with the sensor's observer and one that hears what happens."""

    def __init__(self, watch: SensorWatch, name: str = "front") -> None:
        super().__init__(name)
        self.heard: list[Happening] = []
        outer = self

        class Hearing(Observer):
            def happened(self, happening: Happening) -> None:
                outer.heard.append(happening)

        self.observers = [watch.observe(self), Hearing()]

    def tell(self, *reports: SensorHealth) -> None:
        for health in reports:
            for observer in self.observers:
                observer.told(SensorReport(health))


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def watch(registry: CollectorRegistry) -> SensorWatch:
    return SensorWatch(registry)


def numbers(registry: CollectorRegistry) -> dict[str, float]:
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_a_child_tells_how_its_sensor_does_each_second(tmp_path: Path, watch: SensorWatch) -> None:
    async def scenario() -> list[dict[str, Any]]:
        stream = ChildStream(f"file://{flickering(tmp_path / 'lamp.npy')}?speed=1&loop=1", WIDTH, HEIGHT)
        stream.observers = [watch.observe(stream)]
        async with stream:
            await stream.until(lambda: len(stream.told_of("sensor")) >= 3)
        return stream.told_of("sensor")

    *_, last = asyncio.run(scenario())
    assert last["level"] == "warn"
    assert last["flicker"][0]["hz"] == pytest.approx(LAMP_HZ, abs=0.5)
    assert last["hot"]["worst"][0]["x"] == 7
    assert last["hot"]["worst"][0]["y"] == 9
    assert last["events_per_s"] == pytest.approx(38_000, rel=0.3)
    words = {verdict["topic"]: verdict["words"] for verdict in last["verdicts"]}
    assert words["flicker"].startswith("100 Hz flicker in ")


def test_a_live_sources_filters_come_before_all_else(watch: SensorWatch) -> None:
    async def scenario() -> list[dict[str, Any]]:
        source = "sim://street?seed=1&width=64&height=64&filter=region:0,0,32,64"
        stream = ChildStream(source, None, None)
        stream.observers = [watch.observe(stream)]
        async with stream:
            await stream.until(lambda: any(told["events"] for told in stream.told_of("sensor")))
        return stream.told_of("sensor")

    told = asyncio.run(scenario())
    rates = np.array(told[-1]["tiles"]["events_per_s"]).reshape(6, 8)
    assert rates[:, :4].sum() > 0
    assert rates[:, 4:].sum() == 0


def test_the_last_report_is_kept_published_and_exported(
    registry: CollectorRegistry, watch: SensorWatch
) -> None:
    stream = Observed(watch)
    assert stream.status()["sensor"] is None
    assert watch.report(stream.id) == {"level": "unknown"}
    health = replace(some_health(flicker="warn", rate="ok"), events_per_s=1234.0)
    stream.tell(health)
    (told,) = stream.told_of("sensor")
    assert told == {"type": "sensor", **watch.report(stream.id)}
    assert told["events_per_s"] == 1234.0
    assert stream.status()["sensor"] == {"level": "warn", "warnings": ["flicker is warn"]}
    exported = numbers(registry)
    assert exported['spikesight_sensor_events_per_second{stream="front"}'] == 1234.0
    assert exported['spikesight_sensor_warnings{stream="front"}'] == 1


def test_the_numbers_of_an_ended_stream_disappear(registry: CollectorRegistry, watch: SensorWatch) -> None:
    front, back = Observed(watch), Observed(watch, "back")
    front.tell(some_health())
    back.tell(some_health())
    front.end()
    assert {name.partition('stream="')[2] for name in numbers(registry)} == {'back"}'}
    assert watch.health(front.id) is None
    front_again = Observed(watch)
    front_again.end()  # without a single report


def test_a_verdict_that_lasts_is_told_to_the_other_observers(watch: SensorWatch) -> None:
    stream = Observed(watch)
    bad, good = some_health(hot_pixels="warn", rate="ok"), some_health(hot_pixels="ok", rate="ok")
    stream.tell(*[bad] * (HELD - 1), good, *[bad] * (HELD - 1))
    assert stream.heard == []
    stream.tell(bad, bad, *[good] * HELD)
    levels = [happening.level for happening in stream.heard if isinstance(happening, SensorChanged)]
    assert levels == ["warn", "ok"]
    first = stream.heard[0].to_message()
    assert (first["type"], first["topic"], first["words"]) == (
        "sensor_changed",
        "hot_pixels",
        "hot_pixels is warn",
    )


def test_a_source_that_falls_silent_is_told_by_the_service(
    watch: SensorWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 1_000.0
    monkeypatch.setattr("service.sensor.time.monotonic", lambda: now_s)
    stream = Observed(watch)
    stream.tell(some_health())
    stream.tick()
    assert len(stream.told_of("sensor")) == 1
    for _ in range(HELD):
        now_s += 10
        stream.tick()
    told = stream.told_of("sensor")[-1]
    assert told["silent_s"] == pytest.approx(30, abs=1)
    assert told["events_per_s"] == 0
    assert [happening.to_message()["topic"] for happening in stream.heard] == ["silence"]


def test_another_connection_begins_without_a_report(watch: SensorWatch) -> None:
    stream = Observed(watch)
    stream.tell(some_health())
    stream.size()
    assert watch.health(stream.id) is None


def test_the_route_gives_the_report(watch: SensorWatch) -> None:
    async def scenario() -> Sequence[Any]:
        stream = Observed(watch)
        async with small_app(route.router, runtime=Streams(stream), sensors=watch) as client:
            before = await client.get("/streams/front/sensor")
            stream.tell(some_health())
            after = await client.get(f"/streams/{stream.id}/sensor")
            missing = await client.get("/streams/nobody/sensor")
            return before.json(), after.json(), missing.status_code

    before, after, status = asyncio.run(scenario())
    assert before == {"level": "unknown"}
    assert after["level"] == "ok"
    assert len(after["tiles"]["events_per_s"]) == 48
    assert {verdict["topic"] for verdict in after["verdicts"]} >= {"rate", "hot_pixels", "flicker", "silence"}
    assert status == 404
