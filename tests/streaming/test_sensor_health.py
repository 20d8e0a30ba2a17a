"""What is told of a sensor: hot pixels, flicker, silence and clocks, put into events whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streaming.errors import EventsOutsideSensor
from streaming.events import Events
from streaming.filters.hot_pixels import HotPixelFilter
from streaming.filters.settings import HotPixels
from streaming.sensor_health.report import COLUMNS, ROWS, TILES, SensorHealth, Topic, Verdict
from streaming.sensor_health.watch import HealthWatch, RecordingHealth
from streaming.sources import open_recording

WIDTH, HEIGHT = 320, 240
SECOND_US = 1_000_000


def noise(rate_hz: float, seconds: float, seed: int = 0, on_share: float = 0.5) -> Events:
    """Events anywhere at any time."""
    rng = np.random.default_rng(seed)
    count = round(rate_hz * seconds)
    t_us = np.sort(rng.integers(0, round(seconds * SECOND_US), count))
    x, y = rng.integers(0, WIDTH, count), rng.integers(0, HEIGHT, count)
    return Events.of(t_us, x, y, rng.random(count) < on_share)


def lamp(hz: float, rate_hz: float, seconds: float, xyxy: tuple[int, int, int, int], seed: int = 1) -> Events:
    """Events of an area whose light follows a sine: ON while it rises, OFF while it falls."""
    rng = np.random.default_rng(seed)
    count = round(rate_hz * seconds * 2)  # about half of them are kept
    t_us = np.sort(rng.integers(0, round(seconds * SECOND_US), count))
    slope = np.cos(2 * np.pi * hz * t_us / SECOND_US)
    keep = rng.random(count) < np.abs(slope) * np.pi / 4
    x0, y0, x1, y1 = xyxy
    x, y = rng.integers(x0, x1, count), rng.integers(y0, y1, count)
    return Events.of(t_us, x, y, slope > 0)[keep]


def readout(hz: float, rate_hz: float, seconds: float, on_share: float) -> Events:
    """Events whose times are those of a readout that looks `hz` times a second."""
    events = noise(rate_hz, seconds, seed=2, on_share=on_share)
    period_us = SECOND_US / hz
    return Events((events.t_us // period_us * period_us).astype(np.int64), events.x, events.y, events.p)


def pixel(x: int, y: int, rate_hz: float, seconds: float) -> Events:
    t_us = np.arange(0, round(seconds * SECOND_US), round(SECOND_US / rate_hz))
    return Events.of(t_us, np.full(len(t_us), x), np.full(len(t_us), y), np.ones(len(t_us)))


def merged(*parts: Events) -> Events:
    events = Events.concatenate(parts)
    return events[np.argsort(events.t_us, kind="stable")]


def cut(events: Events, count: int = 5_000) -> Iterator[Events]:
    for start in range(0, len(events), count):
        yield events[start : start + count]


def health(events: Events) -> SensorHealth:
    watch = HealthWatch(WIDTH, HEIGHT, live=False)
    for packet in cut(events):
        watch.add(packet)
    return watch.report()


def verdict(found: SensorHealth, topic: Topic) -> Verdict:
    return next(one for one in found.verdicts if one.topic == topic)


def test_a_healthy_sensor_is_told_its_rates_and_nothing_else() -> None:
    found = health(noise(200_000, 5))
    assert found.level == "ok"
    assert found.events_per_s == pytest.approx(200_000, rel=0.02)
    assert found.on_share == pytest.approx(0.5, abs=0.01)
    assert len(found.tiles) == TILES
    assert found.tiles == pytest.approx([200_000 / TILES] * TILES, rel=0.1)
    assert (found.hot.count, found.flicker) == (0, ())
    assert verdict(found, "rate").words == "200.0 k events/s"


def test_hot_pixels_are_found_where_they_are() -> None:
    hot = [(10, 20, 800.0), (11, 20, 400.0), (319, 239, 100.0), (0, 0, 50.0)]
    found = health(merged(noise(50_000, 5), *(pixel(x, y, hz, 5) for x, y, hz in hot)))
    assert found.hot.count == 4
    assert [(one.x, one.y) for one in found.hot.worst] == [(x, y) for x, y, _ in hot]
    assert [one.rate_hz for one in found.hot.worst] == pytest.approx([hz for *_, hz in hot], rel=0.05)
    assert found.hot.share == pytest.approx(1350 / 51_350, rel=0.05)
    said = verdict(found, "hot_pixels")
    assert said.level == "ok"
    assert said.words.startswith("4 hot pixels with 3% of events, worst (10, 20) at 80")


def test_hot_pixels_that_make_much_of_the_events_are_a_warning_and_the_filter_drops_them() -> None:
    events = merged(noise(5_000, 5), pixel(40, 30, 2_000, 5))
    found = health(events)
    assert verdict(found, "hot_pixels").level == found.level == "warn"
    filtered = HotPixelFilter(HotPixels(), WIDTH, HEIGHT)
    after = Events.concatenate(filtered(packet) for packet in cut(events))
    assert health(after[after.t_us > SECOND_US]).hot.count == 0


def test_moving_edges_are_no_hot_pixels() -> None:
    count = 400_000
    t_us = np.arange(count) * 10
    x = t_us // 15_000 % WIDTH  # a bar that crosses the picture
    assert health(Events.of(t_us, x, np.arange(count) * 7 % HEIGHT, np.arange(count) % 2)).hot.count == 0


@pytest.mark.parametrize("hz", [50.0, 60.0, 100.0, 120.0, 99.7, 333.3])
def test_flicker_is_found_with_its_frequency_its_share_and_its_tiles(hz: float) -> None:
    area = (40, 40, 120, 120)  # tiles 1 and 2 of the rows 1 and 2
    found = health(merged(noise(70_000, 5), lamp(hz, 30_000, 5, area)))
    (flicker,) = found.flicker
    assert flicker.hz == pytest.approx(hz, abs=0.1)
    assert flicker.share == pytest.approx(0.3, abs=0.06)
    assert flicker.tiles == tuple(row * COLUMNS + column for row in (1, 2) for column in (1, 2))
    said = verdict(found, "flicker")
    assert said.level == "warn"
    assert said.words.startswith(f"{hz:.0f} Hz flicker in ")


def test_flicker_too_weak_for_any_tile_shows_in_the_whole_picture() -> None:
    found = health(merged(noise(3_000, 5), lamp(100, 1_000, 5, (0, 0, WIDTH, HEIGHT))))
    assert found.flicker[0].hz == pytest.approx(100, abs=0.2)


def test_two_lamps_of_different_mains_are_told_apart() -> None:
    left, right = (0, 0, 160, HEIGHT), (160, 0, WIDTH, HEIGHT)
    found = health(merged(lamp(100, 40_000, 5, left), lamp(120, 20_000, 5, right, seed=3)))
    assert [flicker.hz for flicker in found.flicker] == pytest.approx([100, 120], abs=0.2)
    assert {tile % COLUMNS < COLUMNS // 2 for tile in found.flicker[0].tiles} == {True}
    assert len(found.flicker[0].tiles) == TILES // 2


@pytest.mark.parametrize("on_share", [0.5, 0.3])
def test_a_readout_that_looks_at_times_is_no_flicker(on_share: float) -> None:
    assert health(readout(200, 100_000, 5, on_share)).flicker == ()


def test_what_was_seen_too_shortly_is_not_judged() -> None:
    found = health(noise(200_000, 0.1))
    assert verdict(found, "hot_pixels").words == "too short to tell hot pixels: 0.1 s of events"
    assert verdict(found, "flicker").words == "too short to tell flicker: 0.1 s of events"


def test_one_sided_events_are_out_of_balance() -> None:
    assert verdict(health(noise(20_000, 2, on_share=0.05)), "balance") == Verdict(
        "balance", "warn", "5% ON events"
    )


def test_silence_is_told_by_the_wall_clock() -> None:
    watch = HealthWatch(WIDTH, HEIGHT, live=True)
    start_s = 1_000.0
    for i, packet in enumerate(cut(noise(100_000, 2), 1_000)):
        watch.add(packet, start_s + i * 0.01)
    watch.add(Events.empty(), start_s + 3)
    soon, later = watch.report(start_s + 3), watch.report(start_s + 20)
    assert soon.silent_s == pytest.approx(1.01, abs=0.02)
    assert verdict(soon, "silence") == Verdict("silence", "ok", "no events for 1 s")
    assert verdict(later, "silence") == Verdict("silence", "warn", "no events for 18 s")
    assert (later.events, later.events_per_s, later.on_share) == (0, 0.0, None)
    watch.add(noise(100_000, 0.1), start_s + 21)
    assert watch.report(start_s + 21).silent_s == 0


def test_a_source_that_never_said_anything_is_silent() -> None:
    watch = HealthWatch(WIDTH, HEIGHT, live=True)
    found = watch.report(1e9)
    assert (found.t_us, found.level) == (None, "warn")
    assert verdict(found, "silence").words.startswith("no event yet")


def test_jumps_of_the_clock_are_counted() -> None:
    watch = HealthWatch(WIDTH, HEIGHT, live=True)
    some = noise(10_000, 0.1)
    for at_s, shift_us in ((0.0, 0), (0.1, 100_000), (0.2, 50_000), (0.3, 60_000_000), (10.0, 70_000_000)):
        watch.add(Events(some.t_us + shift_us, some.x, some.y, some.p), 500.0 + at_s)
    found = watch.report(510.0)
    assert (found.clock.backward, found.clock.forward) == (1, 1)
    said = verdict(found, "clock")
    assert said.level == "warn"
    assert said.words.startswith("time ran back once, time leapt ahead once, ")


def test_a_clock_that_stands_still_is_noticed() -> None:
    watch = HealthWatch(WIDTH, HEIGHT, live=True)
    stuck = Events.of(np.full(500, 7_000), np.arange(500) % WIDTH, np.zeros(500), np.ones(500))
    for at_s in (0.0, 1.0, 2.0):
        watch.add(stuck, 500.0 + at_s)
        found = watch.report(500.5 + at_s)
    assert found.clock.standing
    assert found.clock.most_at_once == 1_500
    assert "stands still" in verdict(found, "clock").words


def test_what_is_older_than_the_window_is_forgotten() -> None:
    early, late = pixel(5, 5, 1_000, 1), noise(20_000, 7)
    found = health(merged(early, late))
    assert found.hot.count == 0
    assert 4 <= found.seconds <= 5
    assert found.events == pytest.approx(20_000 * found.seconds, rel=0.05)


def test_any_cut_into_packets_gives_the_same() -> None:
    events = merged(noise(30_000, 3), lamp(100, 20_000, 3, (0, 0, 80, 80)))
    whole, pieces = HealthWatch(WIDTH, HEIGHT, live=False), HealthWatch(WIDTH, HEIGHT, live=False)
    whole.add(events)
    for packet in cut(events, 137):
        pieces.add(packet)
    assert whole.report() == pieces.report()


def test_an_event_outside_the_sensor_is_refused() -> None:
    watch = HealthWatch(WIDTH, HEIGHT, live=True)
    with pytest.raises(EventsOutsideSensor):
        watch.add(Events.of([0], [WIDTH], [0], [1]))


def test_a_huge_sensor_takes_little_memory_and_names_its_hot_pixels_roughly() -> None:
    watch = HealthWatch(65_535, 65_535, live=False)
    for one in cut(pixel(65_534, 40_000, 500, 2)):
        watch.add(one)
    (hot,) = watch.report().hot.worst
    assert 0 <= 65_534 - hot.x < 32
    assert 0 <= 40_000 - hot.y < 32
    with pytest.raises(EventsOutsideSensor):
        watch.add(Events.of([3_000_000], [65_535], [0], [1]))


def test_all_of_it_becomes_json() -> None:
    told = health(merged(noise(5_000, 2), lamp(100, 9_000, 2, (0, 0, 99, 99)), pixel(1, 1, 300, 2))).to_json()
    assert told["level"] == "warn"
    assert (told["tiles"]["columns"], told["tiles"]["rows"]) == (COLUMNS, ROWS)
    assert len(told["tiles"]["events_per_s"]) == TILES
    assert told["hot"]["worst"][0] == {"x": 1, "y": 1, "rate_hz": pytest.approx(300, rel=0.05)}
    assert {"topic", "level", "words"} == set(told["verdicts"][0])


def test_of_a_recording_the_worst_seconds_are_told() -> None:
    watch = RecordingHealth(WIDTH, HEIGHT)
    bad = lamp(100, 50_000, 4, (0, 0, WIDTH, HEIGHT))
    shifted = Events(bad.t_us + 6 * SECOND_US, bad.x, bad.y, bad.p)
    for packet in cut(merged(noise(5_000, 20), shifted), 500):
        watch.add(packet)
    worst = watch.worst()
    assert worst.flicker[0].hz == pytest.approx(100, abs=0.2)
    assert worst.level == "warn"


@pytest.mark.shared
def test_a_real_sensor_with_hot_pixels(recordings: Path) -> None:
    """Its hot pixels were looked at one by one: around a thousand events a second beside next to none."""
    with open_recording(recordings / "person_320x240.aedat4") as source:
        watch = RecordingHealth(source.info.width, source.info.height)
        for packet in source.packets():
            watch.add(packet)
    found = watch.worst()
    assert [(one.x, one.y) for one in found.hot.worst[:3]] == [(187, 105), (204, 157), (241, 196)]
    assert verdict(found, "hot_pixels").level == "warn"
    assert found.flicker == ()


@pytest.mark.shared
@pytest.mark.parametrize("name", ["tumbling_320x240.es", "edge_evt2_640x480.raw", "walker_frame0013230.npy"])
def test_real_scenes_without_faults_are_told_none(recordings: Path, name: str) -> None:
    with open_recording(recordings / name) as source:
        watch = RecordingHealth(source.info.width, source.info.height)
        for packet in source.packets():
            watch.add(packet)
    found = watch.worst()
    assert (found.level, found.hot.count, found.flicker) == ("ok", 0, ())
