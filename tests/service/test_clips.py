"""Clips of live streams, written by real children and read again event by event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.answers import Answer, changes_to_message
from service.channel import Message
from service.clips.clip import Clip, ClipFiles
from service.clips.clips import Clips
from service.errors import BadRequest, ClipUnfinished, NotRecordable, UnknownClip
from service.frames import encode_frame
from service.happenings import Happening
from service.observers import Observer
from service.settings import Settings
from service.source_messages import Produced
from streaming.events import Events
from streaming.sources import open_recording
from tests.service.clip_streams import ChildStream
from tests.service.observed import ObservedStream
from tests.service.recordings import HEIGHT, WIDTH, events_array, write_recording

PACKET_US = 10_000


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes that come late are not waited for as long as in earnest."""
    monkeypatch.setattr("service.clips.recording.GRACE_S", 0.3)


class Raised(Happening):
    """As alarms are raised."""

    def __init__(self, name: str, record: tuple[float, float] | None) -> None:
        self.name, self.record = name, record

    def to_message(self) -> dict[str, Any]:
        return {"type": "alarm", "name": self.name}


class Viewers(Observer):
    """Gets the messages of answers, as a stream publishes them."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def answered(self, answer: Answer) -> None:
        self.messages += [answer.to_message(), changes_to_message(answer)]


def packet(index: int, count: int = 500) -> Events:
    """The events of ten milliseconds of a stream that goes on and on."""
    events = events_array(index, PACKET_US, count)
    t_us = np.sort(events["t"]) + index * PACKET_US
    return Events.of(t_us, events["x"], events["y"], events["p"])


def packets(begin: int, end: int) -> Events:
    return Events.concatenate(packet(index) for index in range(begin, end))


def events_of(clip: Clip, folder: Path) -> Events:
    files = ClipFiles.of(folder, clip)
    with open_recording(files.events) as source:
        assert (source.info.format, source.info.width, source.info.height) == (clip.format, WIDTH, HEIGHT)
        return Events.concatenate(source.packets())


def lines_of(clip: Clip, folder: Path) -> list[Message]:
    return [json.loads(line) for line in ClipFiles.of(folder, clip).boxes.read_text().splitlines()]


def same(found: Events, expected: Events) -> bool:
    columns = ("t_us", "x", "y", "p")
    return all(np.array_equal(getattr(found, name), getattr(expected, name)) for name in columns)


class Scene:
    """Clips in a folder and a pushed stream in front of them."""

    def __init__(self, folder: Path, clips: Clips, stream: ChildStream) -> None:
        self.folder, self.clips, self.stream = folder, clips, stream

    async def push(self, begin: int, end: int) -> None:
        """Sends packets, and waits until the child has taken them."""
        for index in range(begin, end):
            await self.stream.push(encode_frame(packet(index)))
        last_us = (end - 1) * PACKET_US
        await self.stream.until(lambda: self.stepped_us >= last_us)

    @property
    def stepped_us(self) -> int:
        ends = [message.message.t_us[1] for message in self.stream.heard if isinstance(message, Produced)]
        return max(ends, default=-1)

    async def over(self, clip_id: str) -> Clip:
        await self.stream.until(lambda: self.clips.get(clip_id).state != "recording")
        return self.clips.get(clip_id)


def play(
    folder: Path,
    scenario: Callable[[Scene], Awaitable[Any]],
    source: str = "push:",
    **settings: Any,
) -> Any:
    """The result of `scenario` over a running child."""

    async def run() -> Any:
        chosen = {"disk_reserve_bytes": 0, "clips_format": "evt3", **settings}
        clips = await Clips.open(folder, Settings(**chosen))
        stream = ChildStream(source, WIDTH, HEIGHT)
        stream.observers = [clips.observe(stream)]
        try:
            async with stream:
                return await scenario(Scene(folder, clips, stream))
        finally:
            await clips.close()

    return asyncio.run(run())


@pytest.mark.parametrize("format_", ["evt3", "aedat4"])
def test_a_clip_holds_the_events_from_before_to_after(tmp_path: Path, format_: Any) -> None:
    async def scenario(scene: Scene) -> tuple[Clip, list[str]]:
        await scene.push(0, 20)
        begun = await scene.clips.record(scene.stream.id, 10, 60, format_)
        assert (begun.state, begun.why, begun.stream_name) == ("recording", "asked", "front")
        await scene.push(20, 40)
        scene.clips.stop(begun.id)
        await scene.push(40, 45)
        clip = await scene.over(begun.id)
        return clip, [message["state"] for message in scene.stream.told_of("clip")]

    clip, states = play(tmp_path, scenario)
    assert same(events_of(clip, tmp_path), packets(0, 40))
    assert (clip.events, clip.lost_events, clip.state, clip.note) == (20_000, 0, "done", None)
    assert (clip.first_t_us, clip.last_t_us) == (0, 40 * PACKET_US - 1)
    assert clip.size_bytes == ClipFiles.of(tmp_path, clip).events.stat().st_size
    assert states[0] == "recording"
    assert states[-1] == "done"
    names = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
    suffix = {"evt3": "raw", "aedat4": "aedat4"}[format_]
    assert names == sorted(f"{clip.id}.{end}" for end in ("boxes.jsonl", "json", suffix))


def test_only_the_seconds_asked_for_are_recorded(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> Clip:
        await scene.push(0, 10)
        await asyncio.sleep(0.6)  # what came before is too old by then
        await scene.push(10, 20)
        begun = await scene.clips.record(scene.stream.id, 0.5, 0.0)
        return await scene.over(begun.id)

    clip = play(tmp_path, scenario)
    assert same(events_of(clip, tmp_path), packets(10, 20))


def test_a_recording_ends_by_itself_also_when_nothing_comes(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> Clip:
        begun = await scene.clips.record(scene.stream.id, 0, 0.3)
        return await scene.over(begun.id)

    clip = play(tmp_path, scenario)
    assert (clip.state, clip.events, clip.duration_us, clip.first_t_us) == ("done", 0, 0, None)
    assert len(events_of(clip, tmp_path)) == 0


def test_boxes_lie_beside_as_viewers_got_them(tmp_path: Path) -> None:
    told, viewers = ObservedStream(), Viewers()

    async def scenario(scene: Scene) -> Clip:
        told.observers = [*scene.stream.observers, viewers]
        told.answer([("car", 0.5, (0, 0, 9, 9))])  # 0..40 ms: before the first event that is kept
        await asyncio.sleep(0.6)
        await scene.push(5, 20)

        def answer(label: str, track: int) -> None:
            change = told.change(track, (50, 60), label)
            told.answer([(label, 0.9, (1, 2, 30, 40))], [change], track_ids=[track])

        answer("person", 1)  # 40..80 ms
        begun = await scene.clips.record(scene.stream.id, 0.5, 60)
        await scene.push(20, 30)
        answer("car", 2)  # 80..120 ms
        told.happened(Raised("door", None))
        told.reset()
        scene.clips.stop(begun.id)
        await scene.stream.until(lambda: "whole" in str(scene.stream.heard[-3:]))
        told.t_us = 260_000
        answer("person", 3)  # 260..300 ms, the last of the clip
        answer("car", 4)  # beyond its end
        return await scene.over(begun.id)

    clip = play(tmp_path, scenario)
    lines = lines_of(clip, tmp_path)
    kinds = [line["type"] for line in lines]
    assert kinds == ["detections", "tracks", "detections", "tracks", "alarm", "reset", "detections", "tracks"]
    assert [line["t_us"] for line in lines if line["type"] == "detections"] == [
        [40_000, 80_000],
        [80_000, 120_000],
        [260_000, 300_000],
    ]
    assert [line["boxes"][0]["track_id"] for line in lines if line["type"] == "detections"] == [1, 2, 3]
    as_viewers_got_them = [*viewers.messages, *told.messages, {"type": "reset", "reason": "requested"}]
    assert all(line in as_viewers_got_them for line in lines)
    assert clip.answers == 3
    assert clip.boxes_bytes == ClipFiles.of(tmp_path, clip).boxes.stat().st_size


@pytest.mark.parametrize("format_", ["evt3", "aedat4"])
def test_a_child_that_dies_leaves_a_valid_shorter_clip(tmp_path: Path, format_: Any) -> None:
    async def scenario(scene: Scene) -> tuple[Clip, Clip]:
        await scene.push(0, 200)
        begun = await scene.clips.record(scene.stream.id, 10, 60, format_)
        await scene.stream.until(lambda: scene.clips.get(begun.id).events > 0)
        await scene.push(200, 210)
        await scene.stream.lose()
        cut = await scene.over(begun.id)
        await scene.stream.start()  # another child, whose time begins anew
        await scene.push(0, 5)
        again = await scene.clips.record(scene.stream.id, 10, 0, format_)
        return cut, await scene.over(again.id)

    cut, again = play(tmp_path, scenario)
    found = events_of(cut, tmp_path)
    assert (cut.state, cut.note) == ("done", "the source was lost")
    assert 0 < len(found) == cut.events
    assert same(found, packets(0, 210)[: len(found)])
    assert same(events_of(again, tmp_path), packets(0, 5))


def test_a_source_that_ends_ends_its_clip(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "short.npy", duration_us=1_500_000, count=30_000)

    async def scenario(scene: Scene) -> Clip:
        begun = await scene.clips.record(scene.stream.id, 0, 60)
        return await scene.over(begun.id)

    clip = play(tmp_path / "clips", scenario, f"file://{recording}?speed=1")
    found, events = events_of(clip, tmp_path / "clips"), events_array(0, 1_500_000, 30_000)
    assert (clip.state, clip.note) == ("done", "the source ended")
    whole = Events.of(events["t"], events["x"], events["y"], events["p"])
    assert len(found) > 1_000
    assert same(found, whole[len(whole) - len(found) :])


def test_a_stream_that_is_stopped_leaves_what_was_recorded(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> str:
        await scene.push(0, 100)
        begun = await scene.clips.record(scene.stream.id, 10, 60)
        await scene.stream.until(lambda: scene.clips.get(begun.id).events > 0)
        return begun.id

    clip_id = play(tmp_path, scenario)
    card = json.loads((tmp_path / f"{clip_id}.json").read_text())
    assert (card["state"], card["note"]) == ("done", "the stream ended")
    assert same(events_of(Clip.from_json(card), tmp_path), packets(0, 100)[: card["events"]])


def test_time_that_runs_back_ends_a_clip_and_empties_the_ring(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> tuple[Clip, Clip]:
        await scene.push(50, 60)
        begun = await scene.clips.record(scene.stream.id, 10, 60)
        await scene.stream.push(encode_frame(packet(0)))
        first = await scene.over(begun.id)
        second = await scene.clips.record(scene.stream.id, 10, 0)
        return first, await scene.over(second.id)

    first, second = play(tmp_path, scenario)
    assert first.note == "the source's time ran back"
    assert same(events_of(first, tmp_path), packets(50, 60))
    assert same(events_of(second, tmp_path), packet(0))


def test_an_alarm_is_recorded_and_one_that_overlaps_extends_it(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> list[Clip]:
        await scene.push(0, 10)
        scene.stream.happened(Raised("door", (5.0, 0.8)))
        scene.stream.happened(Raised("gate", (5.0, 1.5)))
        scene.stream.happened(Raised("no recording", None))
        await scene.stream.until(lambda: scene.clips.list())
        await scene.push(10, 20)
        await scene.stream.until(lambda: scene.clips.list()[0].state == "done")
        scene.stream.happened(Raised("later", (0.0, 0.1)))
        await scene.stream.until(lambda: [clip.state for clip in scene.clips.list()] == ["done", "done"])
        return scene.clips.list()

    later, first = play(tmp_path, scenario)
    assert first.why == "alarm"
    assert [reason["name"] for reason in first.reasons] == ["door", "gate"]
    assert first.after_s == pytest.approx(1.5, abs=0.3)
    assert same(events_of(first, tmp_path), packets(0, 20))
    assert [line["name"] for line in lines_of(first, tmp_path)] == ["door", "gate", "no recording"]
    assert [reason["name"] for reason in later.reasons] == ["later"]


def test_alarms_that_go_on_do_not_record_for_ever(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> list[Clip]:
        for index in range(6):
            scene.stream.happened(Raised(str(index), (0.0, 0.5)))
            await asyncio.sleep(0.25)
        await scene.stream.until(lambda: all(clip.state == "done" for clip in scene.clips.list()))
        return scene.clips.list()

    clips = play(tmp_path, scenario, clips_longest_s=0.6)
    assert len(clips) >= 2
    assert max(clip.after_s for clip in clips) <= 0.6


def test_an_alarm_without_a_source_says_why_it_was_not_recorded(tmp_path: Path) -> None:
    async def scenario() -> Clip:
        clips = await Clips.open(tmp_path, Settings())
        stream = ObservedStream()
        stream.observers = [clips.observe(stream)]
        stream.happened(Raised("link", (5.0, 5.0)))
        await asyncio.sleep(0)
        await clips.close()
        assert stream.told_of("clip")[-1]["state"] == "failed"
        return clips.list()[0]

    clip = asyncio.run(scenario())
    assert (clip.state, clip.reasons[0]["name"]) == ("failed", "link")
    assert clip.note is not None
    assert "is not there now" in clip.note


def test_what_cannot_be_recorded_is_refused(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        record, stream = scene.clips.record, scene.stream.id
        for before_s, after_s, found in (
            (11, 0, "before_s is 11"),
            (0, 601, "after_s is 601"),
            (0, 0, "not both 0"),
        ):
            with pytest.raises(BadRequest, match=found):
                await record(stream, before_s, after_s)
        with pytest.raises(NotRecordable, match="ended"):
            await record("id-of-nobody", 0, 1)
        begun = [await record(stream, 0, 60) for _ in range(4)]
        with pytest.raises(NotRecordable, match="4 clips of stream front"):
            await record(stream, 0, 1)
        with pytest.raises(ClipUnfinished, match="is recording"):
            scene.clips.files(begun[0].id)
        with pytest.raises(ClipUnfinished):
            await scene.clips.remove(begun[0].id)
        await scene.stream.lose()
        with pytest.raises(NotRecordable, match="is not there now"):
            await record(stream, 0, 1)
        with pytest.raises(UnknownClip, match="no clip 'x'"):
            scene.clips.get("x")

    play(tmp_path, scenario)


def test_a_large_sensor_is_recorded_as_aedat4(tmp_path: Path) -> None:
    async def scenario() -> tuple[str, str]:
        clips = await Clips.open(tmp_path, Settings(disk_reserve_bytes=0))
        stream = ChildStream("push:", 4096, 16)
        stream.observers = [clips.observe(stream)]
        async with stream:
            with pytest.raises(BadRequest, match="EVT3 holds 2048"):
                await clips.record(stream.id, 0, 0.1, "evt3")
            begun = await clips.record(stream.id, 0, 0.1)
            await stream.until(lambda: clips.get(begun.id).state == "done")
        await clips.close()
        return begun.format, clips.get(begun.id).state

    assert asyncio.run(scenario()) == ("aedat4", "done")
