"""DAT, Event Stream, AEDAT4 and HDF5: what is theirs alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest

from streaming.errors import BackwardTime, BrokenRecording, UnsupportedEncoding
from streaming.events import Events
from streaming.readers.recording import JITTER_US
from streaming.sources import open_recording
from tests.streaming.made import (
    HEIGHT,
    WIDTH,
    by_faery,
    make_aedat4,
    make_dat,
    make_dsec,
    make_es,
    make_hdf5,
    same,
    some_events,
)

EVENTS = some_events(20_000, seed=6)


def read(path: Path, **options: int) -> Events:
    with open_recording(path, **options) as source:
        return Events.concatenate(source.packets())


def dat(path: Path, header: bytes, t_us: list[int], places: list[int], kind: int = 0) -> Path:
    rows = np.array([t_us, places], "<u4").T
    path.write_bytes(header + bytes([kind, 8]) + rows.tobytes())
    return path


@pytest.mark.parametrize("kind", [0x00, 0x0C])
def test_dat_of_both_event_types(tmp_path: Path, kind: int) -> None:
    places = [3 | 4 << 14 | 1 << 28, 639 | 479 << 14]
    events = read(dat(tmp_path / "a.dat", b"% Version 2\n", [5, 6], places, kind))
    assert (events.t_us.tolist(), events.x.tolist()) == ([5, 6], [3, 639])
    assert (events.y.tolist(), events.p.tolist()) == ([4, 479], [1, 0])


@pytest.mark.parametrize("header", [b"% Version 1\n", b"% Version 0\n"])
def test_old_dat_has_narrow_coordinates(tmp_path: Path, header: bytes) -> None:
    events = read(dat(tmp_path / "a.dat", header, [5, 6], [303 | 239 << 9 | 1 << 17, 2 | 3 << 9]))
    assert (events.x.tolist(), events.y.tolist(), events.p.tolist()) == ([303, 2], [239, 3], [1, 0])


def test_dat_time_loops_every_71_minutes(tmp_path: Path) -> None:
    t_us = [(1 << 32) - 1, 0, 7, (1 << 32) - 2, 1]
    events = read(dat(tmp_path / "a.dat", b"% Version 2\n", t_us, [0] * 5))
    loop = 1 << 32
    assert events.t_us.tolist() == [loop - 1, loop, loop + 7, 2 * loop - 2, 2 * loop + 1]


def test_dat_without_a_size_goes_by_its_events(tmp_path: Path) -> None:
    crop = dat(tmp_path / "crop.dat", b"% Version 2\n", [1, 2], [53 | 1 << 14, 60 << 14])
    nearly = dat(tmp_path / "nearly.dat", b"% Version 2\n", [1, 2], [300 | 1 << 14, 230 << 14])
    for path, size in ((crop, (54, 61)), (nearly, (304, 240))):
        with open_recording(path) as source:
            assert (source.info.width, source.info.height, source.info.size_source) == (*size, "extent")
            assert len(Events.concatenate(source.packets())) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"file_type": "dat", "version": "dat2"},
        {"file_type": "evt", "version": "evt2"},
        {"file_type": "evt", "version": "evt3"},
    ],
)
def test_times_that_a_header_holds_apart(tmp_path: Path, options: dict[str, str]) -> None:
    later = Events(EVENTS.t_us + 1_700_000_000_000_000, EVENTS.x, EVENTS.y, EVENTS.p)
    path = by_faery(tmp_path / "a", later, zero_t0=True, **options)
    assert same(read(path), later)


def test_cut_files_give_what_was_whole(tmp_path: Path) -> None:
    for path, least in (
        (make_dat(tmp_path / "a.dat", EVENTS), 9000),
        (make_es(tmp_path / "a.es", EVENTS), 9000),
    ):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2 + 3])
        packets: list[Events] = []
        with open_recording(path) as source, pytest.raises(BrokenRecording, match=r"cut off.*was read"):
            packets.extend(source.packets())
        events = Events.concatenate(packets)
        assert len(events) >= least
        assert same(events, EVENTS[: len(events)])


def test_es_counts_overflows_and_skips_resets(tmp_path: Path) -> None:
    header = b"Event Stream\x02\x00\x00\x01" + np.array([640, 480], "<u2").tobytes()
    place = np.array([7, 479], "<u2").tobytes()
    path = tmp_path / "a.es"
    path.write_bytes(header + b"\xff\xff\xfe\xfe" + bytes([3 << 1 | 1]) + place + b"\xff\xfe\x00" + place)
    events = read(path)
    assert (events.t_us.tolist(), events.p.tolist()) == ([257, 384], [1, 0])
    assert (events.x.tolist(), events.y.tolist()) == ([7, 7], [0, 0])


@pytest.mark.parametrize("compression", [None, ("lz4", 1), ("zstd", 3)])
def test_aedat4_of_every_compression(tmp_path: Path, compression: tuple[str, int] | None) -> None:
    path = by_faery(tmp_path / "a.aedat4", EVENTS, file_type="aedat", compression=compression)
    assert same(read(path), EVENTS)


def test_cut_aedat4_gives_its_whole_packets_and_tells_the_byte(tmp_path: Path) -> None:
    path = make_aedat4(tmp_path / "a.aedat4", EVENTS)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    packets: list[Events] = []
    with open_recording(path) as source:
        assert (source.info.width, source.info.height) == (WIDTH, HEIGHT)
        with pytest.raises(BrokenRecording, match=r"packet at byte \d+ .*Everything before it was read"):
            packets.extend(source.packets())
    assert same(Events.concatenate(packets), EVENTS[: len(Events.concatenate(packets))])
    assert len(Events.concatenate(packets)) >= 8192


FILTERS: dict[str, dict[str, Any]] = {
    "gzip": {"compression": "gzip", "shuffle": True},
    "blosc": dict(hdf5plugin.Blosc(cname="zstd")),
    "zstd": dict(hdf5plugin.Zstd()),
    "lz4": dict(hdf5plugin.LZ4()),
    "contiguous": {"chunks": None},
}


@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
def test_hdf5_layouts_and_filters(tmp_path: Path, filters: dict[str, Any]) -> None:
    with open_recording(make_hdf5(tmp_path / "plain.h5", EVENTS, **filters)) as source:
        assert (source.info.width, source.info.height, source.info.size_source) == (WIDTH, HEIGHT, "file")
        assert same(Events.concatenate(source.packets()), EVENTS)
    with open_recording(make_dsec(tmp_path / "dsec.h5", EVENTS, **filters)) as source:
        assert (source.info.width, source.info.height, source.info.size_source) == (WIDTH, HEIGHT, "extent")
        assert same(Events.concatenate(source.packets()), EVENTS)


def test_dsec_adds_its_offset(tmp_path: Path) -> None:
    offset_us = 49_000_000_000
    later = Events(EVENTS.t_us + offset_us, EVENTS.x, EVENTS.y, EVENTS.p)
    assert same(read(make_dsec(tmp_path / "a.h5", later, offset_us)), later)


def test_hdf5_size_by_the_sensor_it_names(tmp_path: Path) -> None:
    path = make_hdf5(tmp_path / "a.h5", EVENTS)
    with h5py.File(path, "a") as file:
        del file.attrs["geometry"]
        file.attrs["generation"] = "IMX636"
    with open_recording(path) as source:
        assert (source.info.width, source.info.height) == (1280, 720)
        assert (source.info.sensor, source.info.size_source) == ("Prophesee IMX636", "sensor")
    with open_recording(path, width=WIDTH, height=HEIGHT) as source:
        assert (source.info.width, source.info.height) == (WIDTH, HEIGHT)
        assert (source.info.sensor, source.info.size_source) == ("Prophesee IMX636", "caller")


def test_hdf5_size_beside_the_columns(tmp_path: Path) -> None:
    """The layout of the 1 Mpx data set; its events need not reach the border."""
    path = make_dsec(tmp_path / "a_td.dat.h5", EVENTS[2:])
    with h5py.File(path, "a") as file:
        del file["ms_to_idx"], file["t_offset"]
        file["events/width"], file["events/height"] = np.int64(1280), np.int64(720)
    with open_recording(path) as source:
        assert (source.info.width, source.info.height, source.info.size_source) == (1280, 720, "file")
        assert same(Events.concatenate(source.packets()), EVENTS[2:])


def make_shaken(folder: Path, format: str, events: Events) -> Path:
    """A recording of times that need not rise."""
    if format == "hdf5":
        return make_hdf5(folder / "a.h5", events)
    places = events.x | events.y.astype(np.uint32) << 14 | events.p.astype(np.uint32) << 28
    return dat(folder / "a.dat", b"% Version 2\n", events.t_us.tolist(), places.tolist())


@pytest.mark.parametrize("format", ["dat", "hdf5"])
def test_a_sensors_jitter_keeps_the_newest_time(tmp_path: Path, format: str) -> None:
    shaken = Events(EVENTS.t_us * 10, EVENTS.x, EVENTS.y, EVENTS.p)
    at = len(EVENTS) // 2
    shaken.t_us[at : at + 3] = shaken.t_us[at - 1] - np.array([1, JITTER_US, 0])
    events = read(make_shaken(tmp_path, format, shaken))
    expected = shaken.t_us.copy()
    expected[at : at + 3] = shaken.t_us[at - 1]
    assert np.array_equal(events.t_us, expected)
    assert np.array_equal(events.x, shaken.x)


@pytest.mark.parametrize("format", ["dat", "hdf5"])
def test_more_than_jitter_is_backward_time(tmp_path: Path, format: str) -> None:
    events = Events(EVENTS.t_us * 10, EVENTS.x, EVENTS.y, EVENTS.p)
    at = len(EVENTS) // 2
    events.t_us[at - 5] = events.t_us[at - 6] - 1
    events.t_us[at] = events.t_us[at - 1] - JITTER_US - 1
    packets: list[Events] = []
    with open_recording(make_shaken(tmp_path, format, events)) as source, pytest.raises(BackwardTime):
        packets.extend(source.packets())
    assert len(Events.concatenate(packets)) == at


def test_hdf5_without_events_says_what_it_holds(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = np.zeros((3, 4))
    with pytest.raises(BrokenRecording, match="images"):
        open_recording(tmp_path / "a.h5")


def test_ecf_is_refused_with_a_way_out(tmp_path: Path) -> None:
    from tests.streaming.bombs import hdf5_ecf

    with pytest.raises(UnsupportedEncoding, match=r"ECF.*RAW or DAT"):
        open_recording(hdf5_ecf(tmp_path))
