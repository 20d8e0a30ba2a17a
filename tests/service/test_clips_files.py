"""Clips on disk: what is written of them in any trouble, and what the next run makes of what it finds."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pytest

from service.clips import writing
from service.clips.clip import Clip, ClipFiles, ClipFormat
from service.clips.clips import Clips
from service.clips.mending import mend
from service.clips.ring import EventRing, Packed
from service.clips.shelf import Shelf
from service.clips.writing import ClipOrder, ClipWriter
from service.settings import Settings
from service.source_messages import ClipNews
from streaming.errors import BadSource, StreamingError
from streaming.events import Events
from streaming.source import SourceInfo
from streaming.sources import open_recording
from streaming.writers import FORMATS, write_recording
from tests.service.recordings import HEIGHT, WIDTH
from tests.service.test_clips import packet, packets, same
from tests.service.test_sources import Heard
from tests.streaming.sources import ListSource

INFO = SourceInfo("push", WIDTH, HEIGHT, live=True)
PLENTY = 1 << 30
SUFFIX = {"evt3": ".raw", "aedat4": ".aedat4"}
JOIN_S = 20.0


def packed(begin: int, end: int, came_s: float = 0.0) -> list[Packed]:
    return [Packed.of(packet(index), came_s) for index in range(begin, end)]


def read(path: Path) -> Events:
    with open_recording(path) as source:
        return Events.concatenate(source.packets())


def a_clip(**known: Any) -> Clip:
    chosen: dict[str, Any] = {
        "id": "0" * 32, "stream": "s", "stream_name": "front", "created": "2026-01-02T03:04:05.678+00:00",
        "why": "asked", "reasons": (), "model": "ems-nano", "classes": ("person",), "format": "evt3",
        "width": WIDTH, "height": HEIGHT, "before_s": 1.0, "after_s": 2.0,
    }  # fmt: skip
    return Clip(**{**chosen, **known})


class Told:
    """Takes a writer's news."""

    def __init__(self, lease_bytes: int = PLENTY) -> None:
        self.lease_bytes = lease_bytes
        self.news: list[ClipNews] = []
        self.over = threading.Event()
        self.short = threading.Event()

    def __call__(self, news: ClipNews) -> None:
        self.news.append(news)
        if news.wants_bytes > self.lease_bytes:
            self.short.set()
        if news.state != "recording":
            self.over.set()

    def last(self) -> ClipNews:
        assert self.over.wait(JOIN_S)
        return self.news[-1]


def a_writer(path: Path, told: Told, before: list[Packed], **known: Any) -> ClipWriter:
    chosen: dict[str, Any] = {
        "id": "c", "path": str(path), "format": "evt3", "before_s": 1.0, "until_s": time.monotonic() + 60,
        "lease_bytes": PLENTY, "reserve_bytes": 0,
    }  # fmt: skip
    return ClipWriter(ClipOrder(**{**chosen, **known}), INFO, before, told)


# the ring


def test_a_ring_forgets_what_is_old_and_never_takes_more_than_its_bytes() -> None:
    ring = EventRing(10.0, 100_000)
    for index in range(100):
        ring.add(Packed.of(packet(index), float(index)))
        assert ring.size_bytes <= 100_000
    kept = ring.last(1_000, 100.0)
    assert len(kept) == 100_000 // kept[0].size_bytes
    assert [one.came_s for one in ring.last(2.5, 99.0)] == [97.0, 98.0, 99.0]
    ring.forget(107.5)
    assert [one.came_s for one in ring.last(1_000, 107.5)] == [98.0, 99.0]
    ring.clear()
    assert (ring.size_bytes, ring.last(1_000, 0.0)) == (0, [])


def test_packets_are_kept_in_nine_bytes_an_event_of_their_own() -> None:
    events = packet(3)
    kept = Packed.of(events, 0.0)
    expected = packet(3)
    events.x[:] = events.y[:] = 0
    events.t_us[:] = 0
    assert same(kept.unpack(), expected)
    assert kept.size_bytes <= 9 * len(expected) + 1_000


def test_a_packet_of_many_hours_keeps_its_times() -> None:
    events = Events.of([-5, 1 << 40], [1, 2], [3, 4], [0, 1])
    assert same(Packed.of(events, 0.0).unpack(), events)


# the writer


@pytest.mark.parametrize("format_", ["evt3", "aedat4"])
def test_a_writer_writes_what_was_before_and_what_it_is_offered(tmp_path: Path, format_: str) -> None:
    path, told = tmp_path / f"a{SUFFIX[format_]}", Told()
    writer = a_writer(path, told, packed(0, 10), format=format_)
    writer.start()
    for one in packed(10, 20):
        writer.offer(one)
    writer.finish()
    news = told.last()
    assert same(read(path), packets(0, 20))
    assert (news.state, news.events, news.lost_events, news.note) == ("whole", 10_000, 0, None)
    assert (news.first_t_us, news.last_t_us) == (0, 199_999)
    assert news.size_bytes == path.stat().st_size


def test_what_comes_too_fast_is_counted_and_the_rest_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "QUEUE_BYTES", 4 * packed(0, 1)[0].size_bytes)
    path, told = tmp_path / "a.raw", Told()
    writer = a_writer(path, told, packed(0, 10))
    for one in packed(10, 30):  # before its thread runs: nothing can be taken meanwhile
        writer.offer(one)
    writer.start()
    writer.finish()
    news = told.last()
    assert (news.events, news.lost_events) == (14 * 500, 16 * 500)
    assert same(read(path), packets(0, 14))


def test_a_writer_that_is_stuck_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    going, told = threading.Event(), Told()

    def stuck(events: Iterable[Events], _info: SourceInfo, path: Path) -> None:
        going.wait(JOIN_S)
        path.write_bytes(b"".join(b"x" * len(one) for one in events))

    monkeypatch.setattr(writing, "resolve_name", lambda _: stuck)
    monkeypatch.setattr(writing, "QUEUE_BYTES", 50_000)
    writer = a_writer(tmp_path / "a.raw", told, [])
    writer.start()
    for one in packed(0, 100):
        writer.offer(one)
    going.set()
    writer.finish()
    news = told.last()
    assert news.events + news.lost_events == 100 * 500
    assert news.lost_events > 0


def test_a_writer_that_fails_says_why(tmp_path: Path) -> None:
    told = Told()
    before = [Packed.of(Events.of([-10], [1], [1], [1]), 0.0)]
    a_writer(tmp_path / "a.aedat4", told, before, format="aedat4").start()
    news = told.last()
    assert news.state == "broken"
    assert news.note is not None
    assert "no times before zero" in news.note


def test_a_lease_is_never_exceeded_and_may_be_made_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "BATCH_EVENTS", 1_000)
    path, told = tmp_path / "a.raw", Told(60_000)
    writer = a_writer(path, told, packed(0, 40), lease_bytes=60_000)
    writer.start()
    assert told.short.wait(JOIN_S)
    asking = told.news[-1]
    assert asking.size_bytes <= 60_000 < asking.wants_bytes
    writer.extend(lease_bytes=100_000)
    monkeypatch.setattr(writing, "LEASE_WAIT_S", 0.05)
    news = told.last()
    assert news.state == "whole"
    assert news.note == "clips may not take more than 100000 bytes here now"
    assert asking.size_bytes < news.size_bytes <= 100_000
    assert same(read(path), packets(0, 40)[: news.events])


def test_a_disk_that_fills_up_ends_a_clip_before_its_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "BATCH_EVENTS", 1_000)
    path, told = tmp_path / "a.raw", Told()
    usage = writing.shutil.disk_usage(tmp_path)

    def filling(_: Path) -> Any:
        return usage._replace(free=150_000 - path.stat().st_size)

    monkeypatch.setattr(writing.shutil, "disk_usage", filling)
    a_writer(path, told, packed(0, 60), reserve_bytes=50_000).start()
    news = told.last()
    assert news.note is not None
    assert news.note.startswith("the disk has ")
    assert 0 < news.size_bytes <= 100_000
    assert same(read(path), packets(0, 60)[: news.events])


# mending


@pytest.mark.parametrize("format_", ["evt3", "aedat4"])
def test_a_file_cut_anywhere_is_mended(tmp_path: Path, format_: ClipFormat) -> None:
    data, expected = unfinished(tmp_path / "unfinished", format_, 60), packets(0, 60)
    paths = [tmp_path / name for name in ("part", "events", "boxes.part", "boxes")]
    found_before = -1
    for size in np.linspace(2_000, len(data), 25).astype(int).tolist():
        paths[0].write_bytes(data[:size])
        paths[2].write_bytes(b'{"type":"detections"}\n{"type":"tracks"}\n{"type":"detecti')
        heard = Heard()
        mend(heard, *paths, format_)  # type: ignore[arg-type]  # behaves like an outlet
        (said,) = heard.messages
        found = Events.concatenate(open_all(paths[0], format_))
        assert same(found, expected[: len(found)])
        assert said["events"] == len(found) >= found_before
        assert said["size_bytes"] == paths[0].stat().st_size
        assert (said["answers"], said["boxes_bytes"]) == (1, paths[2].stat().st_size)
        found_before = len(found)
    assert found_before >= len(expected) - 500  # the last packet may still wait in its writer's buffer


def unfinished(path: Path, format_: str, count: int) -> bytes:
    """A file of so many packets as it is before its writer finishes it."""
    data = b""

    def given() -> Iterator[Events]:
        nonlocal data
        for index in range(count):
            yield packet(index)
        data = path.read_bytes()

    write: Any = resolve_name(FORMATS[format_])
    write(given(), INFO, path)
    return data


def open_all(path: Path, format_: str) -> list[Events]:
    with open_recording(path, format=format_) as source:
        return list(source.packets())


@pytest.mark.parametrize("format_", ["evt3", "aedat4"])
@pytest.mark.parametrize("data", [b"", b"% ev", b"#!AER-DAT4.0\r\n\x00\x00"])
def test_what_has_not_even_a_header_cannot_be_mended(
    tmp_path: Path, format_: ClipFormat, data: bytes
) -> None:
    part = tmp_path / "part"
    part.write_bytes(data)
    with pytest.raises(StreamingError):
        mend(Heard(), part, part, tmp_path / "b", tmp_path / "b", format_)  # type: ignore[arg-type]  # as above


def test_a_file_that_is_still_written_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.clips.mending.LOCK_S", 0.1)
    path, told = tmp_path / "a.raw", Told()
    writer = a_writer(path, told, packed(0, 3))
    writer.start()
    until = time.monotonic() + JOIN_S
    while not path.exists() or not path.stat().st_size:
        assert time.monotonic() < until
    with pytest.raises(BadSource, match="still holds it"):
        mend(Heard(), path, path, tmp_path / "b", tmp_path / "b", "evt3")  # type: ignore[arg-type]  # as above
    writer.finish()
    told.last()
    assert same(read(path), packets(0, 3))


# the next run


def reopened(folder: Path) -> list[Clip]:
    """What the next run makes of a folder, when it has mended what it can."""

    async def run() -> list[Clip]:
        clips = await Clips.open(folder, Settings(shutdown_s=40.0))
        await clips.close()  # waits for what is mended
        return clips.list()

    return asyncio.run(run())


def left_behind(folder: Path, clip: Clip, events: bytes, boxes: bytes = b"") -> ClipFiles:
    """The files of a clip that was being written."""
    Shelf(folder).order(clip)
    files = ClipFiles.of(folder, clip)
    files.events_part.write_bytes(events)
    files.boxes_part.write_bytes(boxes)
    return files


def some_events(folder: Path) -> bytes:
    path = folder / "some.raw"
    write_recording(ListSource([packet(0), packet(1)], WIDTH, HEIGHT), path)
    return path.read_bytes()


def test_a_clip_that_a_dead_service_was_writing_is_mended_by_the_next(tmp_path: Path) -> None:
    files = left_behind(tmp_path, a_clip(), some_events(tmp_path)[:-101], b'{"type":"detections"}\n{"ty')
    (clip,) = reopened(tmp_path)
    assert (clip.state, clip.note) == ("done", "the service ended while it was written")
    assert (clip.answers, clip.boxes_bytes) == (1, files.boxes.stat().st_size)
    assert same(read(files.events), packets(0, 2)[: clip.events])
    assert clip.events > 900
    assert reopened(tmp_path) == [clip]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(
        path.name for path in (files.events, files.boxes, files.card)
    )


def test_one_that_died_between_the_last_renames_is_whole(tmp_path: Path) -> None:
    files = left_behind(tmp_path, a_clip(), some_events(tmp_path))
    files.events_part.rename(files.events)
    (clip,) = reopened(tmp_path)
    assert (clip.state, clip.events) == ("done", 1_000)
    assert same(read(files.events), packets(0, 2))


def test_what_cannot_be_saved_is_told_and_removed(tmp_path: Path) -> None:
    left_behind(tmp_path, a_clip(), b"")
    nothing = a_clip(id="1" * 32)
    Shelf(tmp_path).order(nothing)
    clips = reopened(tmp_path)
    assert {clip.state for clip in clips} == {"failed"}
    notes = {clip.id[0]: clip.note for clip in clips}
    assert notes["1"] == "the service ended while it was written; nothing of it was written"
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_rubbish_in_the_folder_is_removed_and_whole_clips_stay(tmp_path: Path) -> None:
    clip = replace(a_clip(), state="done", events=1_000)
    files = left_behind(tmp_path, clip, some_events(tmp_path))
    Shelf(tmp_path).finish(clip)
    (tmp_path / "2.json").write_text("{")
    (tmp_path / "3.order").write_text(json.dumps(clip.describe()))
    (tmp_path / "4.raw.part").write_bytes(b"x")
    lonely = a_clip(id="5" * 32)
    ClipFiles.of(tmp_path, lonely).card.write_text(json.dumps(lonely.describe()))
    assert [one.id for one in reopened(tmp_path)] == [clip.id]
    assert {path for path in tmp_path.iterdir() if path.is_file()} == {files.events, files.boxes, files.card}
