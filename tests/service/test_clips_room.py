"""The quota of clips: never exceeded, the oldest make room, refusals name the figures."""

from __future__ import annotations

import asyncio
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from service.clips import room as room_module
from service.clips.clip import Clip
from service.clips.room import Room
from service.errors import NoRoomForClips
from tests.service.test_clips import Scene, events_of, packets, play, same

QUOTA = 1 << 20
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes that come late are not waited for as long as in earnest."""
    monkeypatch.setattr("service.clips.recording.GRACE_S", 0.3)


class Kept:
    """Clips that are over, as sizes."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = list(sizes)

    async def drop_oldest(self) -> bool:
        if self.sizes:
            self.sizes.pop(0)
            return True
        return False


def a_room(folder: Path, kept: Kept, max_bytes: int = 1_000, reserve: int = 0) -> Room:
    return Room(folder, max_bytes, reserve, lambda: sum(kept.sizes), kept.drop_oldest)


def test_old_clips_make_room_for_those_being_written(tmp_path: Path) -> None:
    kept = Kept(300, 300, 300)
    room = a_room(tmp_path, kept)
    assert asyncio.run(room.lease("a", 100)) == 100
    assert kept.sizes == [300, 300, 300]
    assert asyncio.run(room.lease("a", 350)) == 350
    assert kept.sizes == [300, 300]
    assert asyncio.run(room.lease("a", 200)) == 350
    room.give_back("a")
    kept.sizes.append(350)
    asyncio.run(room.lease("b", 50))
    assert kept.sizes == [300, 300, 350]


def test_what_cannot_be_had_is_refused_with_the_figures_and_costs_no_clip(tmp_path: Path) -> None:
    kept = Kept(300)
    room = a_room(tmp_path, kept)
    asyncio.run(room.lease("a", 600))
    with pytest.raises(NoRoomForClips, match=r"may take 1000 bytes, 600 are held .* 500 more are needed"):
        asyncio.run(room.lease("b", 500))
    assert kept.sizes == [300]
    room.give_back("a")
    assert asyncio.run(room.lease("b", 500)) == 500


def test_a_disk_that_is_full_is_not_filled_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(100, 100)
    free = 150

    def usage(_: Path) -> Any:
        return Usage(10_000, 0, free + 100 * (2 - len(kept.sizes)))

    monkeypatch.setattr(room_module.shutil, "disk_usage", usage)
    room = a_room(tmp_path, kept, reserve=50)
    asyncio.run(room.lease("a", 100))
    assert kept.sizes == [100, 100]
    asyncio.run(room.lease("b", 60))
    assert kept.sizes == [100]
    room.used("a", 100)
    free -= 100  # which are those that "a" has written
    with pytest.raises(NoRoomForClips, match=r"the disk has \d+ bytes left beside its reserve of 50"):
        asyncio.run(room.lease("c", 200))
    assert kept.sizes == []


def test_a_smaller_quota_than_before_is_kept_from_the_start(tmp_path: Path) -> None:
    kept = Kept(600, 300, 300)
    asyncio.run(a_room(tmp_path, kept).trim())
    assert kept.sizes == [300, 300]


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file() and "json" not in path.name)


def test_the_oldest_clips_go_and_the_quota_is_never_exceeded(tmp_path: Path) -> None:
    sizes = []

    async def scenario(scene: Scene) -> list[Clip]:
        begun = []
        for turn in range(4):
            clip = await scene.clips.record(scene.stream.id, 0, 60)
            for begin in range(turn * 100, turn * 100 + 100, 20):
                await scene.push(begin, begin + 20)
                sizes.append(on_disk(tmp_path))
            scene.clips.stop(clip.id)
            begun.append(await scene.over(clip.id))
            sizes.append(on_disk(tmp_path))
        assert {clip.state for clip in begun} == {"done"}
        return begun

    begun = play(tmp_path, scenario, clips_max_mb=1)
    kept = [clip for clip in begun if (tmp_path / f"{clip.id}.raw").exists()]
    assert 1 <= len(kept) < 4
    assert kept == begun[-len(kept) :]
    assert max(sizes) <= QUOTA
    assert same(events_of(begun[-1], tmp_path), packets(300, 400))


def test_a_clip_that_would_pass_the_quota_ends_in_time(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> Clip:
        begun = await scene.clips.record(scene.stream.id, 0, 60)
        for begin in range(0, 500, 20):
            await scene.push(begin, begin + 20)
            assert on_disk(tmp_path) <= QUOTA
        return await scene.over(begun.id)

    clip = play(tmp_path, scenario, clips_max_mb=1)
    assert clip.note is not None
    assert clip.note.startswith("clips may not take more than ")
    assert QUOTA / 2 < clip.size_bytes <= QUOTA
    assert same(events_of(clip, tmp_path), packets(0, 500)[: clip.events])


def test_a_disk_without_room_refuses_a_recording_and_leaves_nothing(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        with pytest.raises(NoRoomForClips, match="the disk has 0 bytes left beside its reserve"):
            await scene.clips.record(scene.stream.id, 0, 1)
        assert scene.clips.list() == []

    play(tmp_path, scenario, disk_reserve_bytes=1 << 60)
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []
