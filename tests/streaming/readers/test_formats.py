"""Every format, read back event by event from files that other code wrote."""

from __future__ import annotations

from pathlib import Path

import faery
import numpy as np
import pytest

from streaming.errors import BadSource, SizeUnknown, UnknownFormat
from streaming.events import MAX_PACKET_EVENTS, Events
from streaming.readers.sniff import FORMATS, sniff
from streaming.sources import open_recording, open_source
from tests.streaming.made import HEIGHT, MAKERS, WIDTH, make, same, some_events

EVENTS = some_events(30_000)


def read(path: Path, **options: int) -> Events:
    with open_recording(path, **options) as source:
        return Events.concatenate(source.packets())


def test_every_format_has_a_maker() -> None:
    assert set(MAKERS) == set(FORMATS)


@pytest.mark.parametrize("format", MAKERS)
def test_reads_what_another_encoder_wrote(tmp_path: Path, format: str) -> None:
    path = make(tmp_path, format, EVENTS)
    assert sniff(path) == format
    with open_recording(path) as source:
        info = source.info
        read_events = Events.concatenate(source.packets())
        assert source.fraction() == pytest.approx(1.0)
    assert (info.format, info.width, info.height, info.live) == (format, WIDTH, HEIGHT, False)
    assert same(read_events, EVENTS)


@pytest.mark.parametrize("format", MAKERS)
def test_packets_keep_the_contract(tmp_path: Path, format: str) -> None:
    events = some_events(2 * MAX_PACKET_EVENTS + 10_000 if format not in ("evt21",) else 10_000, seed=3)
    with open_recording(make(tmp_path, format, events)) as source:
        packets = list(source.packets())
    assert all(len(packet) <= MAX_PACKET_EVENTS for packet in packets)
    assert {column.dtype.name for packet in packets for column in (packet.t_us,)} == {"int64"}
    assert (
        {packet.x.dtype.name for packet in packets}
        == {packet.y.dtype.name for packet in packets}
        == {"uint16"}
    )
    assert {packet.p.dtype.name for packet in packets} == {"uint8"}
    assert same(Events.concatenate(packets), events)


@pytest.mark.parametrize("format", ["evt2", "evt3", "dat", "es", "aedat4", "csv"])
def test_agrees_with_faery_on_the_same_file(tmp_path: Path, format: str) -> None:
    path = make(tmp_path, format, some_events(50_000, seed=7))
    rows = np.concatenate(
        [packet.copy() for packet in faery.events_stream_from_file(path, dimensions_fallback=(WIDTH, HEIGHT))]
    )
    ours = read(path)
    assert same(ours, Events.of(rows["t"], rows["x"], rows["y"], rows["on"]))


@pytest.mark.parametrize("format", MAKERS)
def test_content_beats_the_extension(tmp_path: Path, format: str) -> None:
    path = make(tmp_path, format, EVENTS[:1000])
    renamed = path.rename(tmp_path / ("recording.dat" if path.suffix != ".dat" else "recording.aedat4"))
    assert sniff(renamed) == format
    assert len(read(renamed)) == 1000


@pytest.mark.parametrize("format", [name for name in MAKERS if name != "csv"])
def test_a_stated_format_skips_the_sniffing(tmp_path: Path, format: str) -> None:
    path = make(tmp_path, format, EVENTS[:1000])
    with open_recording(path, format=format) as source:
        assert source.info.format == format


def test_unknown_content_names_the_formats(tmp_path: Path) -> None:
    path = tmp_path / "recording.raw"
    path.write_bytes(b"hello, this is no recording\n")
    with pytest.raises(UnknownFormat, match=r"hello.*EVT3.*AEDAT4|AEDAT4.*EVT3"):
        open_recording(path)


def test_a_ros_bag_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "recording.bag"
    path.write_bytes(b"#ROSBAG V2.0\n" + bytes(100))
    with pytest.raises(UnknownFormat, match="ROS 1 bag"):
        open_recording(path)


@pytest.mark.parametrize("size", [(640, None), (None, 480), (0, 480), (640, -1), (100_000, 480)])
def test_sizes_that_are_none_are_refused(tmp_path: Path, size: tuple[int | None, int | None]) -> None:
    path = make(tmp_path, "npy", EVENTS[:10])
    with pytest.raises(BadSource):
        open_recording(path, width=size[0], height=size[1])


def test_uris(tmp_path: Path) -> None:
    path = make(tmp_path, "npy", EVENTS[:1000], name="with space")
    with open_source(path.as_uri()) as source:
        assert same(Events.concatenate(source.packets()), EVENTS[:1000])
    with open_source(str(path), width=700, height=500) as source:
        assert (source.info.width, source.info.size_source) == (700, "caller")
    for wrong in ("ftp://host/file", "file://elsewhere/file", str(tmp_path / "missing.raw"), str(tmp_path)):
        with pytest.raises(BadSource):
            open_source(wrong)


def test_unknown_format_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat, match="evt9"):
        open_recording(make(tmp_path, "npy", EVENTS[:10]), format="evt9")


def test_an_error_in_the_header_leaves_no_file_open(tmp_path: Path) -> None:
    path = tmp_path / "recording.raw"
    path.write_bytes(b"% evt 3.0\n")  # warnings are errors: a file left to the collector fails this test
    with pytest.raises(SizeUnknown, match="--width"):
        open_recording(path)
