"""`usb://`: waiting, reading and losing a camera, whichever vendor's it is; and URIs that mean nothing."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from streaming.errors import BadSource, SourceLost
from streaming.events import MAX_PACKET_EVENTS, Events
from streaming.live.camera import Wanted
from streaming.live.inivation import InivationDriver
from streaming.live.linked import Linked
from streaming.live.packets import Region
from streaming.live.prophesee import PropheseeDriver
from streaming.live.usb import UsbSource, open_usb
from streaming.sources import open_source
from tests.streaming.live.standins import StandInCamera, StandInDriver


def events(t_us: list[int], x: int = 1, y: int = 1) -> Events:
    count = len(t_us)
    return Events.of(t_us, [x] * count, [y] * count, [1] * count)


def plugged(
    *gives: Events | Exception | None, absent: int = 0, query: str = ""
) -> tuple[UsbSource, StandInDriver]:
    driver = StandInDriver(StandInCamera(64, 48, list(gives)), absent)
    source = open_usb(f"usb://toy{query}", [driver])
    return source, driver


def test_a_camera_gives_its_events_and_knows_its_size() -> None:
    source, driver = plugged(events([10, 20]), events([30]))
    with source:
        assert (source.info.width, source.info.height, source.info.live) == (64, 48, True)
        assert source.info.sensor == "stand-in 7"
        assert [packet.t_us.tolist() for packet in islice(source.packets(), 2)] == [[10, 20], [30]]
    assert driver.camera.closed


def test_it_is_linked() -> None:
    assert isinstance(plugged()[0], Linked)


def test_entering_waits_for_the_camera_and_says_so() -> None:
    source, driver = plugged(events([1]), absent=3)
    said: list[str] = []
    source.on_wait = said.append
    source._explain = lambda: None
    with source:
        assert next(source.packets()).t_us.tolist() == [1]
    assert said == ["no toy is plugged in"] * 3
    assert len(driver.asked) == 4


def test_waiting_says_why_where_the_kernel_knows_more() -> None:
    source, _ = plugged(absent=1)
    said: list[str] = []
    source.on_wait, source._explain = said.append, lambda: "may not be opened"
    with source:
        pass
    assert said == ["may not be opened"]


def test_closing_ends_the_waiting() -> None:
    source, _ = plugged(absent=1_000)
    source.on_wait = lambda what: source.close()
    with pytest.raises(SourceLost, match="closed while waiting"):
        source.__enter__()


def test_an_idle_camera_gives_empty_packets() -> None:
    source, _ = plugged(None, events([5]), None)
    with source:
        packets = source.packets()
        found = [len(packet) for packet in islice(packets, 4)]
    assert sorted(found) == [0, 0, 0, 1]


def test_unplugging_is_said() -> None:
    source, driver = plugged(events([1]), SourceLost("stand-in 7 was unplugged"))
    with source, pytest.raises(SourceLost, match="unplugged"):
        list(source.packets())
    assert driver.camera.closed


def test_events_outside_the_sensor_are_left_out_and_counted() -> None:
    outside = Events.of([1, 2, 3], [63, 64, 0], [47, 0, 48], [0, 0, 1])
    source, _ = plugged(outside)
    with source:
        found = next(source.packets())
        assert (found.t_us.tolist(), found.x.tolist()) == ([1], [63])
        assert source.counters == {"outside": 2, "dropped_packets": 0}


def test_a_region_leaves_sensor_coordinates_as_they_are() -> None:
    grid = Events.of(range(64), range(64), [24] * 64, [1] * 64)
    source, driver = plugged(grid, query="?roi=10,20,5,8")
    with source:
        found = next(source.packets())
        assert found.x.tolist() == [10, 11, 12, 13, 14]
        assert source.info.width == 64
    assert driver.asked[0].region == Region(10, 20, 5, 8)


def test_time_that_runs_backward_is_cut_there() -> None:
    source, _ = plugged(events([100, 200, 50, 60, 10]))
    with source:
        found = [packet.t_us.tolist() for packet in islice(source.packets(), 3)]
    assert found == [[100, 200], [50, 60], [10]]


def test_large_packets_are_cut() -> None:
    source, _ = plugged(events(list(range(MAX_PACKET_EVENTS + 7))))
    with source:
        found = [len(packet) for packet in islice(source.packets(), 2)]
    assert found == [MAX_PACKET_EVENTS, 7]


def test_the_clock_of_events_is_learnt_from_arrivals(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = iter([100.0, 100.5, 100.503, 101.01, 102.0])
    monkeypatch.setattr("streaming.live.usb.time.monotonic", lambda: next(now_s))
    source, _ = plugged(events([500_000]), events([501_000]), events([1_009_000]), events([7]))
    with source:
        packets = source.packets()
        assert source.event_clock_s is None
        next(packets)
        assert source.event_clock_s == pytest.approx(100.0)
        next(packets)  # 2 ms late: the mapping stays
        assert source.event_clock_s == pytest.approx(100.0, abs=1e-5)
        next(packets)
        assert source.event_clock_s == pytest.approx(100.0, abs=1e-4)
        next(packets)  # the camera's clock began anew
        assert source.event_clock_s == pytest.approx(102.0, abs=1e-4)


def test_settings_reach_the_driver() -> None:
    source, driver = plugged(query="?serial=0007&bias_one=-5&bias_two=3,200")
    with source:
        pass
    assert driver.asked == [Wanted("toy", "0007", {"bias_one": (-5,), "bias_two": (3, 200)})]


def test_any_takes_whichever_is_there() -> None:
    absent = StandInDriver(StandInCamera(8, 8, []), absent=100)
    there = StandInDriver(StandInCamera(64, 48, [events([3])]))
    with open_usb("usb://any", [absent, there]) as source:
        assert next(source.packets()).t_us.tolist() == [3]
    assert (len(absent.asked), len(there.asked)) == (1, 1)


def test_any_does_without_a_library_that_is_missing() -> None:
    class Missing(StandInDriver):
        def open(self, wanted: Wanted) -> StandInCamera:
            raise BadSource("cameras of this kind need stand-in")

    missing = Missing(StandInCamera(8, 8, []))
    with open_usb("usb://any", [missing, StandInDriver(StandInCamera(64, 48, []))]) as source:
        assert source.info.width == 64
    with pytest.raises(BadSource, match="usb://any: cameras of this kind need stand-in"):
        open_usb("usb://any", [missing, missing]).__enter__()


def test_a_region_beyond_the_sensor_is_refused_when_its_size_is_known() -> None:
    source, driver = plugged(query="?roi=60,0,5,5")
    with pytest.raises(BadSource, match="roi up to x=65, y=5; the sensor of stand-in 7 has 64 x 48"):
        source.__enter__()
    assert driver.camera.closed


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("usb://", "found the camera ''; known are davis, dvxplorer, dvs128, evk3, evk4, any"),
        ("usb://evk5", "'evk5'; known are"),
        ("usb://evk4/1", "'evk4/1'"),
        ("usb://evk4?gain=3", "option 'gain'; allowed are serial, roi, bias_pr"),
        ("usb://davis?contrast_on=3", "option 'contrast_on'; allowed are serial, roi, bias_on"),
        ("usb://any?bias_on=1,1", "option 'bias_on'; allowed are serial, roi"),
        ("usb://evk4?bias_diff_on=300", "bias_diff_on=300; allowed is a whole number in -255..255"),
        ("usb://evk3?bias_diff_on=-1", "bias_diff_on=-1; allowed is a whole number in 0..255"),
        ("usb://dvxplorer?contrast_on=18", "contrast_on=18; allowed is a whole number in 0..17"),
        ("usb://davis?bias_on=5", "bias_on=5; allowed is 0..7,0..255"),
        ("usb://davis?bias_on=8,0", "bias_on=8; allowed is a whole number in 0..7"),
        ("usb://evk4?roi=1,2,3", "roi=1,2,3; allowed is x,y,width,height"),
        ("usb://evk4?roi=1,2,0,3", "roi=0; allowed is a whole number in 1..65535"),
        ("usb://evk4?serial=1&serial=2", "option 'serial' twice"),
    ],
)
def test_uris_that_mean_nothing(uri: str, says: str) -> None:
    with pytest.raises(BadSource, match=says):
        open_source(uri)


def test_packets_keep_columns_of_the_contract() -> None:
    source, _ = plugged(events([1]))
    with source:
        found = next(source.packets())
    kinds = [column.dtype for column in (found.t_us, found.x, found.y, found.p)]
    assert kinds == [np.int64, np.uint16, np.uint16, np.uint8]


@pytest.mark.parametrize("driver", [InivationDriver(), PropheseeDriver()], ids=lambda driver: driver.name)
def test_every_model_and_bias_is_documented(driver: InivationDriver | PropheseeDriver) -> None:
    text = Path("docs/cameras.md").read_text(encoding="utf8")
    for model, biases in driver.models.items():
        assert f"`usb://{model}`" in text
        assert all(f"`{name}`" in text for name in biases)
