"""What is written reads back the same, by our readers and by others; what fails leaves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import faery
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.errors import BadSource, BrokenRecording
from streaming.events import Events
from streaming.sources import open_recording
from streaming.writers import FORMATS, write_recording
from tests.streaming.made import HEIGHT, WIDTH, same, some_events
from tests.streaming.sources import ListSource

SUFFIXES = {"npy": ".npy", "csv": ".csv", "aedat4": ".aedat4", "evt3": ".raw"}
EVENTS = some_events(50_000, seed=9)


def cut(events: Events, pieces: int) -> list[Events]:
    """Packets of uneven sizes, empty ones among them."""
    borders = np.sort(np.random.default_rng(0).integers(0, len(events) + 1, pieces))
    borders = [0, *borders.tolist(), len(events)]
    return [events[a:b] for a, b in pairwise(borders)]


def read(path: Path) -> Events:
    with open_recording(path) as source:
        return Events.concatenate(source.packets())


def test_every_format_is_tested() -> None:
    assert set(SUFFIXES) == set(FORMATS)


@pytest.mark.parametrize(("format", "suffix"), SUFFIXES.items())
@pytest.mark.parametrize("shift_us", [0, 1_700_000_000_000_123])
def test_round_trip(tmp_path: Path, format: str, suffix: str, shift_us: int) -> None:
    events = Events(EVENTS.t_us + shift_us, EVENTS.x, EVENTS.y, EVENTS.p)
    path = tmp_path / f"out{suffix}"
    seen: list[int] = []
    written = write_recording(ListSource(cut(events, 9), WIDTH, HEIGHT), path, on_progress=seen.append)
    assert written == len(events)
    assert seen[-1] == len(events)
    assert seen == sorted(seen)
    with open_recording(path) as source:
        assert (source.info.format, source.info.width, source.info.height) == (format, WIDTH, HEIGHT)
    assert same(read(path), events)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("format", ["evt3", "aedat4", "csv"])
def test_others_read_the_same(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"out{SUFFIXES[format]}"
    write_recording(ListSource(cut(EVENTS, 5), WIDTH, HEIGHT), path)
    stream = faery.events_stream_from_file(path, dimensions_fallback=(WIDTH, HEIGHT))
    rows = np.concatenate([packet.copy() for packet in stream])
    assert same(Events.of(rows["t"], rows["x"], rows["y"], rows["on"]), EVENTS)


def test_npy_is_an_array_for_numpy(tmp_path: Path) -> None:
    write_recording(ListSource(cut(EVENTS, 5), WIDTH, HEIGHT), tmp_path / "out.npy")
    rows = np.load(tmp_path / "out.npy", allow_pickle=False)
    assert rows.dtype.names == ("t", "x", "y", "p")
    assert same(Events.of(rows["t"], rows["x"], rows["y"], rows["p"]), EVENTS)


@pytest.mark.parametrize("suffix", [".npy", ".aedat4", ".raw"])
def test_a_recording_without_events(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    assert write_recording(ListSource([], WIDTH, HEIGHT), path) == 0
    with open_recording(path, width=WIDTH, height=HEIGHT) as source:
        assert len(Events.concatenate(source.packets())) == 0


def test_evt3_over_silences_and_loops(tmp_path: Path) -> None:
    t_us = np.cumsum([3, 0, 1, 4095, 4096, 8_400_000, 8_388_608, 16_777_216, 20_000_000, 3_600_000_000, 1])
    events = Events.of(t_us, np.arange(11), np.arange(11) // 2, np.arange(11) % 2)
    path = tmp_path / "out.raw"
    write_recording(ListSource(cut(events, 3), 640, 480), path)
    assert same(read(path), events)
    rows = np.concatenate([packet.copy() for packet in faery.events_stream_from_file(path)])
    assert rows["t"].tolist() == t_us.tolist()


def test_evt3_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "out.raw"
    far = Events.of([0, 1 << 50], [1, 2], [1, 2], [0, 1])
    for source in (ListSource([EVENTS], 4000, 3000), ListSource([far], 640, 480)):
        with pytest.raises(BadSource):
            write_recording(source, path)
    assert list(tmp_path.iterdir()) == []


runs = st.lists(
    st.tuples(
        st.integers(0, 20_000), st.integers(0, 63), st.integers(0, 3), st.integers(0, 1), st.integers(1, 40)
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(runs=runs, steps=st.lists(st.integers(1, 3), min_size=40, max_size=40))
def test_evt3_masks_keep_every_event(
    tmp_path_factory: pytest.TempPathFactory, runs: list[tuple[int, ...]], steps: list[int]
) -> None:
    t_us, rows = 0, []
    for wait, x, y, p, length in runs:
        t_us += wait
        places = x + np.cumsum([0, *steps[: length - 1]])
        rows += [(t_us, int(place), y, p) for place in places]
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    events = Events.of(*columns)
    path = tmp_path_factory.mktemp("evt3") / "out.raw"
    write_recording(ListSource([events], 640, 480), path)
    assert same(read(path), events)


class Failing(ListSource):
    """Breaks after its packets."""

    def packets(self) -> Iterator[Events]:
        yield from super().packets()
        raise BrokenRecording("cut off in the middle of the night")


@pytest.mark.parametrize("suffix", SUFFIXES.values())
def test_a_failure_leaves_what_was_there_before(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_bytes(b"precious")
    with pytest.raises(BrokenRecording, match="night"):
        write_recording(Failing([EVENTS], WIDTH, HEIGHT), path)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["out.mp4", "out", "missing/out.npy"])
def test_unknown_targets_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadSource):
        write_recording(ListSource([EVENTS], WIDTH, HEIGHT), tmp_path / name)
