"""The adapter of neuromorphic-drivers: its real configurations, a stand-in for its devices."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from streaming.errors import BadSource, SourceLost
from streaming.events import Events
from streaming.live.camera import Found, Wanted
from streaming.live.packets import IDLE_S, Region
from streaming.live.prophesee import PropheseeDriver
from streaming.live.usb import open_usb
from tests.streaming.live.standins import NdLibrary, evt3_packet

nd = pytest.importorskip("neuromorphic_drivers")

EVENTS = Events.of([7, 7, 2**40], [1279, 0, 5], [719, 0, 6], [1, 0, 1])


def evk4(*gives: Any, **options: Any) -> NdLibrary:
    return NdLibrary(nd, "Prophesee EVK4", gives=list(gives), **options)


def test_a_packet_becomes_events() -> None:
    camera = PropheseeDriver(evk4(evt3_packet(EVENTS))).open(Wanted("evk4"))
    events = camera.read()
    assert events is not None
    for name in ("t_us", "x", "y", "p"):
        np.testing.assert_array_equal(getattr(events, name), getattr(EVENTS, name))
    assert events.p.dtype == np.uint8
    assert (camera.name, camera.width, camera.height) == ("Prophesee EVK4 00051243", 1280, 720)
    assert camera.dropped == 3


def test_silence_and_packets_without_events_are_none() -> None:
    camera = PropheseeDriver(evk4(None, evt3_packet(None))).open(Wanted("evk4"))
    assert camera.read() is None
    assert camera.read() is None


def test_the_device_never_blocks_for_long() -> None:
    library = evk4()
    PropheseeDriver(library).open(Wanted("evk4", "00051243"))
    ((_, timeout_s, serial),) = library.opened
    assert (timeout_s, serial) == (IDLE_S, "00051243")


def test_biases_reach_the_configuration_and_the_rest_stays() -> None:
    library = evk4()
    PropheseeDriver(library).open(Wanted("evk4", biases={"bias_diff_on": (-30,), "bias_hpf": (12,)}))
    configuration = library.opened[0][0]
    assert configuration.biases == nd.prophesee_evk4.Biases(diff_on=-30, hpf=12)
    assert configuration == dataclasses.replace(
        nd.prophesee_evk4.Configuration(), biases=configuration.biases
    )


def test_evk3_biases_are_absolute() -> None:
    library = NdLibrary(nd, "Prophesee EVK3 HD")
    PropheseeDriver(library).open(Wanted("evk3", biases={"bias_diff_off": (60,)}))
    assert library.opened[0][0].biases == nd.prophesee_evk3_hd.Biases(diff_off=60)


def test_biases_beyond_this_cameras_bounds_are_refused_not_clamped() -> None:
    library = evk4()
    with pytest.raises(BadSource, match=r"bias_diff_on=-101; Prophesee EVK4 00051243 allows -100\.\.155"):
        PropheseeDriver(library).open(Wanted("evk4", biases={"bias_diff_on": (-101,)}))
    assert library.device is not None
    assert library.device.closed


@pytest.mark.parametrize(
    "region", [Region(576, 296, 100, 90), Region(0, 0, 1280, 720), Region(1279, 719, 1, 1)]
)
def test_a_region_silences_all_other_pixels(region: Region) -> None:
    """Against the library's own drawing of its masks, where row 0 is the top row of the picture."""
    library = evk4()
    PropheseeDriver(library).open(Wanted("evk4", region=region))
    configuration = library.opened[0][0]
    mask = nd.prophesee_evk4.RowColumnMask(set=False)
    mask.x_unpacked = bits(configuration.x_mask)[:1280]
    mask.y_unpacked = bits(configuration.y_mask)[:720]
    expected = np.zeros((720, 1280), bool)
    expected[region.y : region.y + region.height, region.x : region.x + region.width] = True
    np.testing.assert_array_equal(mask.pixels(), expected)
    assert (mask.x_mask(), mask.y_mask()) == (configuration.x_mask, configuration.y_mask)
    assert configuration.mask_intersection_only is False


def bits(words: tuple[int, ...]) -> np.ndarray:
    return np.unpackbits(np.array(words, "<u8").view(np.uint8), bitorder="little").astype(bool)


def test_a_whole_source_over_it() -> None:
    library = evk4(None, evt3_packet(EVENTS), RuntimeError("Usb(Rusb(NoDevice))"))
    with open_usb("usb://evk4?roi=0,0,10,10", [PropheseeDriver(library)]) as source:
        packets = source.packets()
        events = next(packet for packet in packets if len(packet))
        assert events.t_us.tolist() == [7, 2**40]
        assert source.counters == {"outside": 1, "dropped_packets": 3}
        with pytest.raises(SourceLost, match=r"Prophesee EVK4 00051243 went away: Usb\(Rusb\(NoDevice\)\)"):
            next(packets)
    assert library.device is not None
    assert library.device.closed


def test_any_tries_both_models() -> None:
    library = NdLibrary(nd, "Prophesee EVK4")
    assert PropheseeDriver(library).open(Wanted("any")).name == "Prophesee EVK4 00051243"
    assert [configuration.type() for configuration, _, _ in library.opened] == [
        "prophesee_evk3_hd",
        "prophesee_evk4",
    ]


def test_what_is_not_there_is_waited_for() -> None:
    with pytest.raises(SourceLost, match=r"neuromorphic-drivers says: no prophesee_evk4 found$"):
        PropheseeDriver(NdLibrary(nd, None)).open(Wanted("evk4"))


def test_a_camera_in_use_is_said_so() -> None:
    library = evk4(refusal="no prophesee_evk4 found", problem="Resource busy")
    with pytest.raises(SourceLost, match="no prophesee_evk4 found; Prophesee EVK4: Resource busy"):
        PropheseeDriver(library).open(Wanted("evk4"))


def test_cameras_that_are_plugged_in() -> None:
    assert PropheseeDriver(evk4()).find() == [Found("evk4", "Prophesee EVK4", "00051243", 2, 5)]
    # iniVation's belong to the other driver.
    assert PropheseeDriver(NdLibrary(nd, "iniVation DAVIS 346")).find() == []


@pytest.mark.parametrize(("model", "module"), [("evk3", "prophesee_evk3_hd"), ("evk4", "prophesee_evk4")])
def test_the_library_has_our_biases(model: str, module: str) -> None:
    known = {field.name for field in dataclasses.fields(getattr(nd, module).Biases)}
    ours = {name.removeprefix("bias_") for name in PropheseeDriver.models[model]}
    assert ours == {name for name in known if not name.startswith("unknown")}


def test_the_real_library_waits_where_no_camera_is_plugged_in() -> None:
    """Without any USB (as in a container) the library fails to start; that too is waited out."""
    with pytest.raises(SourceLost, match="neuromorphic-drivers says: "):
        PropheseeDriver().open(Wanted("evk4", "NONE"))
