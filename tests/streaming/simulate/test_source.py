"""The street and its `sim://` source: the contract of sources, determinism, truth, pacing and errors."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from streaming.errors import BadSource
from streaming.events import MAX_PACKET_EVENTS, Events, validate
from streaming.simulate.paths import CAMERA_PATHS
from streaming.simulate.presets import PRESETS
from streaming.simulate.scene import STEP_US, Street, StreetSettings
from streaming.simulate.source import SimulatedSource, open_simulation

SMALL = "width=172&height=130"


def read(uri: str) -> Events:
    with open_simulation(uri) as source:
        return Events.concatenate(source.packets())


def assert_same(a: Events, b: Events) -> None:
    for name in ("t_us", "x", "y", "p"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_packets_keep_the_contract() -> None:
    with open_simulation(f"sim://street?{SMALL}&duration_s=0.3&speed=max") as source:
        assert (source.info.format, source.info.width, source.info.height) == ("sim", 172, 130)
        assert not source.info.live
        after_us = None
        packets = list(source.packets())
        for packet in packets:
            validate(packet, 172, 130, after_us=after_us, where="sim")
            after_us = int(packet.t_us[-1]) if len(packet) else after_us
    assert len(packets) == 38
    assert sum(map(len, packets)) > 0
    assert int(packets[-1].t_us.max()) < 300_000


def test_the_seed_decides_the_events_and_the_speed_does_not() -> None:
    fast = read(f"sim://street?{SMALL}&seed=4&duration_s=0.2&speed=max")
    assert_same(fast, read(f"sim://street?{SMALL}&seed=4&duration_s=0.2&speed=20"))
    other = read(f"sim://street?{SMALL}&seed=5&duration_s=0.2&speed=max")
    assert len(other) != len(fast) or bool((other.x != fast.x).any())


@pytest.mark.parametrize(
    ("query", "live"),
    [("", True), ("duration_s=1", True), ("speed=max", True), ("duration_s=1&speed=max", False)],
)
def test_only_a_bounded_source_that_does_not_wait_is_finite(query: str, live: bool) -> None:
    assert open_simulation(f"sim://street?{query}").info.live is live


def test_a_live_source_ends_when_closed_from_elsewhere() -> None:
    source = open_simulation(f"sim://street?{SMALL}")
    read_packets = 0
    with source:
        for _ in source.packets():
            if read_packets == 0:
                threading.Timer(0.3, source.close).start()
            read_packets += 1
    assert read_packets > 0
    assert not [thread for thread in threading.enumerate() if thread.name == "street" and _outlives(thread)]


def _outlives(thread: threading.Thread) -> bool:
    thread.join(10)
    return thread.is_alive()


def test_an_error_while_making_events_reaches_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Street) -> None:
        raise OSError("out of streets")

    monkeypatch.setattr(Street, "events", broken)
    with open_simulation(f"sim://street?{SMALL}") as source, pytest.raises(OSError, match="out of streets"):
        next(source.packets())


def test_closing_frees_a_reader_who_waits_for_a_slow_street(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    closed = threading.Event()

    def slow(self: Street) -> Iterator[Events]:
        asked.set()
        closed.wait(10)
        yield Events.empty()

    monkeypatch.setattr(Street, "events", slow)
    source = open_simulation(f"sim://street?{SMALL}")
    reader = threading.Thread(target=lambda: list(source.packets()), daemon=True)
    reader.start()
    assert asked.wait(10)
    source.close()
    reader.join(5)
    assert not reader.is_alive()
    closed.set()


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("sim://moon", r"found sim://moon; simulated scenes are sim://street"),
        ("dv://street", r"found dv://street"),
        ("sim://street/far", r"found sim://street/far"),
        ("sim://street?sped=1", r"found parameter 'sped'; allowed are seed, width"),
        ("sim://street?seed=1&seed=2", r"found parameter 'seed' twice"),
        ("sim://street?width=10", r"found width=10; allowed is a whole number in 64\.\.1280"),
        ("sim://street?people=2.5", r"found people=2.5; allowed is a whole number in 0\.\.12"),
        ("sim://street?speed=0", r"found speed=0; allowed is a number in 0\.01\.\.100 or max"),
        ("sim://street?duration_s=nan", r"found duration_s=nan"),
        ("sim://street?night=yes", r"found night=yes"),
        ("sim://street?sensor=gen9", r"found sensor=gen9; allowed are davis346, dvxplorer"),
        ("sim://street?camera=", r"found camera=; allowed are still, pan, walk, shake"),
        ("sim://street?seed=", r"found seed="),
    ],
)
def test_what_means_nothing_is_named_with_what_is_allowed(uri: str, message: str) -> None:
    with pytest.raises(BadSource, match=message):
        open_simulation(uri)


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ("sensor=gen4", (1280, 720)),
        ("sensor=gen1", (304, 240)),
        ("sensor=gen3&width=320", (320, 480)),
        ("", (346, 260)),
    ],
)
def test_a_sensor_brings_its_size_unless_another_is_given(query: str, size: tuple[int, int]) -> None:
    info = open_simulation(f"sim://street?{query}").info
    assert (info.width, info.height) == size


def test_timestamps_are_as_coarse_as_the_sensor_says() -> None:
    fine = read(f"sim://street?{SMALL}&duration_s=0.05&speed=max")
    coarse = read(f"sim://street?{SMALL}&sensor=dvxplorer&duration_s=0.05&speed=max")
    assert bool((fine.t_us % 100 != 0).any())
    assert bool((coarse.t_us % 100 == 0).all())
    assert len(np.unique(coarse.t_us)) > 50


def test_the_paths_of_cameras_differ_in_how_much_they_see_move() -> None:
    empty = StreetSettings(172, 130, people=0, cars=0, bikes=0)
    made = {
        name: sum(map(len, steps(Street(replace(empty, path=path), 1), 12)))
        for name, path in CAMERA_PATHS.items()
    }
    assert made["still"] < made["pan"] < made["walk"] < made["shake"]


def test_fifty_million_events_a_second_are_sorted_and_cut_into_packets() -> None:
    sensitive = replace(
        PRESETS["gen4"].typical(night=False), threshold=(0.06, 0.06), noise_hz=(40.0, 40.0), bus_hz=50e6
    )
    settings = StreetSettings(
        1280, 720, render_scale=0.25, sensor=sensitive, path=replace(CAMERA_PATHS["shake"], sub_frames=2)
    )
    duration_us = 3 * STEP_US
    after_us, events = None, 0
    with SimulatedSource(settings, 1, duration_us, None) as source:
        for packet in source.packets():
            validate(packet, 1280, 720, after_us=after_us, where="sim")
            after_us = int(packet.t_us[-1]) if len(packet) else after_us
            assert len(packet) <= MAX_PACKET_EVENTS
            events += len(packet)
    assert 35e6 < events / (duration_us * 1e-6) < 51e6


def steps(street: Street, count: int) -> list[Events]:
    return list(itertools.islice(street.events(), count))


def test_truth_is_a_function_of_time_alone() -> None:
    street = Street(StreetSettings(people=6), 3)
    at = [street.truth(t_us) for t_us in (2_000_000, 9_000_000, 2_000_000)]
    again = Street(StreetSettings(people=6), 3).truth(2_000_000)
    for other in (at[2], again):
        np.testing.assert_array_equal(at[0].xyxy, other.xyxy)
        np.testing.assert_array_equal(at[0].ids, other.ids)
    assert len(at[0].xyxy) == len(at[0].labels) == len(at[0].ids)
    assert set(at[0].ids.tolist()) != set(at[1].ids.tolist())


def test_boxes_stay_in_the_sensor_and_ids_last_while_boxes_move_smoothly() -> None:
    street = Street(StreetSettings(people=6), 3)
    truths = [street.truth(t_us) for t_us in range(0, 4_000_000, 100_000)]
    shared = moved = 0
    for before, after in itertools.pairwise(truths):
        assert bool((after.xyxy >= 0).all())
        assert bool((after.xyxy <= [346, 260, 346, 260]).all())
        for name in set(before.ids.tolist()) & set(after.ids.tolist()):
            a, b = before.xyxy[before.ids == name][0], after.xyxy[after.ids == name][0]
            shared += 1
            moved += int(np.abs(a - b).max() > 60)
    assert shared > 50
    assert moved < 0.1 * shared


def test_events_of_a_street_come_mostly_from_what_moves() -> None:
    settings = StreetSettings(people=6)
    street = Street(settings, 3)
    per_box = per_rest = 0.0
    for index, events in enumerate(steps(street, 50)):
        around = np.zeros((settings.height, settings.width), bool)
        for x0, y0, x1, y1 in street.truth(index * STEP_US).xyxy.astype(int):
            around[max(0, y0 - 4) : y1 + 4, max(0, x0 - 6) : x1 + 6] = True
        hits = around[events.y, events.x].sum()
        per_box += float(hits) / max(around.sum(), 1)
        per_rest += float(len(events) - hits) / max((~around).sum(), 1)
    assert per_box > 3 * per_rest


def test_no_event_is_lost_or_doubled_between_chunks() -> None:
    packets = steps(Street(StreetSettings(172, 130), 1), 12)
    for index, packet in enumerate(packets):
        assert bool((packet.t_us >= index * STEP_US).all())
        assert bool((packet.t_us < (index + 1) * STEP_US).all())
    sizes = [len(packet) for packet in packets]
    assert max(sizes[5:]) < 4 * max(sizes[:5])


def test_night_is_darker_and_noisier() -> None:
    empty = StreetSettings(172, 130, people=0, cars=0, bikes=0)
    day, night = (
        sum(map(len, steps(Street(StreetSettings(**{**vars(empty), "night": dark}), 1), 25)))
        for dark in (False, True)
    )
    assert night > day
