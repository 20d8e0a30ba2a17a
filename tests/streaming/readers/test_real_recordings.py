"""Real recordings: counts, durations and sizes as their manifest says, and events as faery reads them."""

from __future__ import annotations

from pathlib import Path

import faery
import numpy as np
import pytest

from streaming.errors import UnknownFormat
from streaming.events import Events
from streaming.sources import open_recording
from streaming.summary import summarise
from tests.streaming.made import same

pytestmark = pytest.mark.shared

MANIFEST = {
    "street_evt3_1280x720.raw": ("evt3", 1280, 720, 219_596, 8_811, "sensor"),
    "disc_evt2_640x480.raw": ("evt2", 640, 480, 539_481, 50_000, "sensor"),
    "edge_evt2_640x480.raw": ("evt2", 640, 480, 521_252, 95_871, "sensor"),
    "tumbling_320x240.es": ("es", 320, 240, 473_225, 999_000, "file"),
    "person_320x240.aedat4": ("aedat4", 320, 240, 111_954, 589_917, "file"),
    "car_ncars_td.dat": ("dat", 54, 61, 4_407, 99_937, "extent"),
    "walker_frame0013230.npy": ("npy", 346, 260, 38_416, 40_000, "extent"),
    "walker_frame0017525.npy": ("npy", 346, 260, 2_498, 39_981, "extent"),
}


@pytest.mark.parametrize("name", MANIFEST)
def test_counts_durations_and_sizes(recordings: Path, name: str) -> None:
    with open_recording(recordings / name) as source:
        summary = summarise(source)
    found = (summary.format, summary.width, summary.height, summary.events, summary.duration_us)
    assert (*found, summary.size_source) == MANIFEST[name]


def test_sensors_are_named(recordings: Path) -> None:
    named = {}
    for name in MANIFEST:
        with open_recording(recordings / name) as source:
            named[name] = source.info.sensor
    assert named["street_evt3_1280x720.raw"] == "Prophesee Gen4.1"
    assert named["disc_evt2_640x480.raw"] == "Prophesee Gen3"
    assert named["person_320x240.aedat4"] == "DVXplorer_DXB00010"


@pytest.mark.parametrize("name", [name for name in MANIFEST if name.endswith((".raw", ".es", ".aedat4"))])
def test_events_are_those_that_faery_reads(recordings: Path, name: str) -> None:
    with open_recording(recordings / name) as source:
        ours = Events.concatenate(source.packets())
        size = source.info.width, source.info.height
    rows = np.concatenate(
        [
            packet.copy()
            for packet in faery.events_stream_from_file(recordings / name, dimensions_fallback=size)
        ]
    )
    assert same(ours, Events.of(rows["t"], rows["x"], rows["y"], rows["on"]))


def test_the_ros_bag_is_refused_by_name(recordings: Path) -> None:
    with pytest.raises(UnknownFormat, match="ROS 1 bag"):
        open_recording(recordings / "edge_evt3_640x480.bag")
