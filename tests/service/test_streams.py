"""Live streams through real processes: messages, thresholds, resets, pushed events."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from model.errors import BadSetting
from service.errors import (
    BadFrame,
    FrameTooLarge,
    NameTaken,
    NotAPushStream,
    StreamEnded,
    TooManyStreams,
    UnknownStream,
)
from service.frames import encode_frame
from service.options import StreamSpec
from streaming.errors import (
    BadSource,
)
from streaming.events import Events
from tests.service.loops import (
    RunningRuntime,
    messages_until,
    of_type,
    replay,
)
from tests.service.recordings import HEIGHT, WIDTH, events_array


def test_a_stream_says_hello_then_boxes_pictures_and_status(running: RunningRuntime, recording: Path) -> None:
    async def scenario() -> tuple[list[Any], dict[str, Any]]:
        stream = await running.runtime.start_stream(replay(recording, name="door"))
        enough = 3

        def seen_all(seen: list[Any]) -> bool:
            pictures = [message for message in seen if isinstance(message, bytes)]
            kinds = (of_type(seen, "detections"), of_type(seen, "status"), pictures)
            return min(map(len, kinds)) >= enough

        messages = await messages_until(stream, seen_all, view_width=128)
        description = stream.describe()
        assert running.runtime.stream("door") is running.runtime.stream(stream.id) is stream
        await stream.stop()
        return messages, description

    messages, description = running.call(scenario())
    hello = messages[0]
    assert hello["type"] == "hello"
    assert hello["resolution"] == [WIDTH, HEIGHT]
    assert (hello["protocol"], hello["policy"], hello["name"]) == (1, "drop_oldest", "door")
    assert all(m[:4] == b"RIFF" and m[8:12] == b"WEBP" for m in messages if isinstance(m, bytes))
    latency = of_type(messages, "detections")[-1]["latency_ms"]
    assert all(latency[stage] >= 0 for stage in ("arrive", "queue", "encode", "infer", "post"))
    assert latency["total"] >= latency["arrive"]
    assert description["source"].startswith("file://")
    with pytest.raises(UnknownStream):
        running.runtime.stream("door")


def test_names_and_places_are_limited(running: RunningRuntime, recording: Path) -> None:
    async def scenario() -> None:
        runtime = running.runtime
        first = await runtime.start_stream(replay(recording, name="a"))
        with pytest.raises(NameTaken, match="'a'"):
            await runtime.start_stream(replay(recording, name="a"))
        others = [await runtime.start_stream(replay(recording)) for _ in range(2)]
        with pytest.raises(TooManyStreams, match="3 streams"):
            await runtime.start_stream(replay(recording))
        for stream in (first, *others):
            await stream.stop()
        assert not runtime.streams
        again = await runtime.start_stream(replay(recording, name="a"))
        await again.stop()

    running.call(scenario())


def test_a_source_that_cannot_be_opened_leaves_nothing_behind(running: RunningRuntime) -> None:
    async def start(source: str) -> None:
        await running.runtime.start_stream(StreamSpec(source, name="bad"))

    for source in ("file:///nowhere.raw", "gopher://x", "sim://nowhere", "push:"):
        with pytest.raises(BadSource):
            running.call(start(source))
    assert not running.runtime.streams
    assert running.runtime.health().streams == 0


def test_a_threshold_takes_effect_at_once(running: RunningRuntime, recording: Path) -> None:
    async def scenario() -> None:
        stream = await running.runtime.start_stream(replay(recording, threshold=0.0))
        some = await messages_until(stream, lambda seen: len(of_type(seen, "detections")) >= 2)
        assert of_type(some, "detections")[-1]["boxes"]
        await stream.update(threshold=1.0)
        assert stream.hello()["threshold"] == 1.0
        later = await messages_until(stream, lambda seen: len(of_type(seen, "detections")) >= 3)
        assert of_type(later, "detections")[-1]["boxes"] == []
        with pytest.raises(BadSetting):
            await stream.update(threshold=float("nan"))
        await stream.stop()

    running.call(scenario())


def test_a_requested_reset_is_announced(running: RunningRuntime, recording: Path) -> None:
    async def scenario() -> list[Any]:
        stream = await running.runtime.start_stream(replay(recording))
        waiting = asyncio.create_task(messages_until(stream, lambda seen: bool(of_type(seen, "reset"))))
        await asyncio.sleep(0.3)
        await stream.reset()
        messages = await waiting
        await stream.stop()
        with pytest.raises(StreamEnded):
            await stream.reset()
        return messages

    assert running.call(scenario())[-1] == {"type": "reset", "reason": "requested"}


def test_a_source_that_dies_ends_its_stream_with_a_reason(running: RunningRuntime, recording: Path) -> None:
    async def scenario() -> tuple[list[Any], int]:
        stream = await running.runtime.start_stream(replay(recording))
        async with asyncio.timeout(30), stream.subscribe() as viewer:
            os.kill(stream.describe()["pid"], signal.SIGKILL)
            messages = [message async for message in viewer]
        assert not running.runtime.streams
        return messages, viewer.close_code

    messages, code = running.call(scenario())
    assert (messages[-1]["type"], messages[-1]["code"], messages[-1]["fatal"]) == (
        "error",
        "reader-died",
        True,
    )
    assert code == 1011


def test_pushed_events_are_answered(running: RunningRuntime) -> None:
    events = events_array(5, 200_000, 8_000)
    packet = Events.of(events["t"], events["x"], events["y"], events["p"])

    async def scenario() -> list[Any]:
        spec = StreamSpec("push:", width=WIDTH, height=HEIGHT, policy="block")
        stream = await running.runtime.start_stream(spec)
        for begin in range(0, 8_000, 500):
            await stream.push(encode_frame(packet[begin : begin + 500]))
        messages = await messages_until(stream, lambda seen: stream.status()["answers"] >= 4)
        bad = encode_frame(Events.of([300_000], [WIDTH], [0], [1]))
        waiting = asyncio.create_task(messages_until(stream, lambda seen: bool(of_type(seen, "error"))))
        await asyncio.sleep(0.05)
        await stream.push(bad)
        messages += await waiting
        with pytest.raises(BadFrame, match="magic"):
            await stream.push(b"x" * 100)
        with pytest.raises(FrameTooLarge):
            await stream.push(b"x" * (5 << 20))
        await stream.stop()
        with pytest.raises(StreamEnded):
            await stream.push(bad)
        return messages

    messages = running.call(scenario())
    assert messages[-1]["code"] == "bad-frame"
    assert not messages[-1]["fatal"]
    assert "x=64" in messages[-1]["message"]
    answers = of_type(messages, "detections")
    assert {answer["clock"] for answer in answers} == {"arrival"}  # the client's clock is not ours
    assert all(answer["latency_ms"]["arrive"] >= 0 for answer in answers)


def test_only_push_streams_take_events(running: RunningRuntime, recording: Path) -> None:
    async def scenario() -> None:
        stream = await running.runtime.start_stream(replay(recording))
        with pytest.raises(NotAPushStream):
            await stream.push(encode_frame(Events.empty()))
        with pytest.raises(BadSetting, match="view"):
            stream.subscribe(5)
        await stream.stop()

    running.call(scenario())


def test_metrics_and_health_tell_what_happens(running: RunningRuntime, recording: Path) -> None:
    async def scenario() -> None:
        stream = await running.runtime.start_stream(replay(recording, name="seen"))
        await messages_until(stream, lambda seen: len(of_type(seen, "detections")) >= 2)
        health = running.runtime.health().to_json()
        assert health["ready"]
        assert health["streams"] == 1
        assert health["queues"][0]["policy"] == "drop_oldest"
        assert health["worker"]["device"] == "cpu"
        text = running.runtime.metrics().decode()
        assert f'spikesight_queue_depth{{queue="{stream.id}"}}' in text
        await stream.stop()

    running.call(scenario())
    lines = running.runtime.metrics().decode().splitlines()
    values = {line.split(" ")[0]: float(line.split(" ")[1]) for line in lines if not line.startswith("#")}
    assert values['spikesight_answers_total{kind="live"}'] >= 2
    assert values["spikesight_streams"] == 0
    assert values["spikesight_worker_ready"] == 1
    assert values['spikesight_latency_seconds_count{kind="live",stage="infer"}'] >= 2
    assert not any(name.startswith("spikesight_queue_depth") for name in values)
