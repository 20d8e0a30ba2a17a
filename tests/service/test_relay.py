"""Streams that go on: sources that come back, models that change, streams that outlive the service."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.errors import UnknownModel
from service.errors import BadRequest
from service.options import StreamSpec
from service.streams import LiveStream
from tests.service.loops import RunningRuntime, messages_until, of_type, replay
from tests.service.recordings import HEIGHT, WIDTH


class Memory:
    """Documents that live as long as the test."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    async def save(self, kind: str, key: str, body: dict[str, Any]) -> None:
        assert kind == "stream"
        self.kept[key] = body

    async def delete(self, kind: str, key: str) -> bool:
        return self.kept.pop(key, None) is not None

    async def all(self, kind: str) -> dict[str, dict[str, Any]]:
        return dict(self.kept)


async def until(stream: LiveStream, holds: Callable[[], bool]) -> None:
    await messages_until(stream, lambda _: holds())
    assert holds()


def test_a_kept_source_that_dies_begins_anew_and_counts_on(running: RunningRuntime, recording: Path) -> None:
    async def scenario() -> tuple[list[Any], dict[str, Any]]:
        stream = await running.runtime.start_stream(replay(recording, keep=True))
        await messages_until(stream, lambda seen: len(of_type(seen, "detections")) >= 3)
        dead, killed = stream.describe()["pid"], list[int]()

        def enough(seen: list[Any]) -> bool:
            states = [message["state"] for message in of_type(seen, "link")]
            if not killed:
                killed.append(dead)
                os.kill(dead, signal.SIGKILL)
            return states[-1:] == ["live"] and len(of_type(seen, "detections")) > 8

        messages = await messages_until(stream, enough)
        assert stream.describe()["pid"] != dead
        await until(stream, lambda: stream.status()["answers"] > 12)
        status = stream.status()
        await stream.stop()
        return messages, status

    messages, status = running.call(scenario())
    assert [message["state"] for message in of_type(messages, "link")] == ["lost", "connecting", "live"]
    numbers = [message["seq"] for message in of_type(messages, "detections")]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert status["link"]["state"] == "live"


def test_without_keep_a_source_that_dies_ends_its_stream(running: RunningRuntime, recording: Path) -> None:
    async def scenario() -> list[Any]:
        stream = await running.runtime.start_stream(replay(recording))
        os.kill(stream.describe()["pid"], signal.SIGKILL)
        async with asyncio.timeout(30), stream.subscribe() as viewer:
            return [message async for message in viewer]

    assert running.call(scenario())[-1]["code"] == "reader-died"


def test_policy_and_tracking_change_while_the_stream_runs(running: RunningRuntime, recording: Path) -> None:
    async def scenario() -> list[Any]:
        stream = await running.runtime.start_stream(replay(recording))
        await messages_until(stream, lambda seen: len(of_type(seen, "detections")) >= 2)
        async with asyncio.timeout(30), stream.subscribe() as viewer:
            await stream.update(policy="block", threshold=0.7)
            messages: list[Any] = []
            async for message in viewer:
                messages.append(message)
                answers = of_type(messages, "detections")
                if of_type(messages, "reset") and len(answers) > 3:
                    break
        with pytest.raises(UnknownModel):
            await stream.update(model="nothing")
        assert stream.spec.model == "ems-nano"
        await stream.stop()
        return messages

    messages = running.call(scenario())
    assert of_type(messages, "reset") == [{"type": "reset", "reason": "changed"}]
    hello = of_type(messages, "hello")[-1]
    assert (hello["policy"], hello["threshold"]) == ("block", 0.7)


def test_a_pushed_stream_keeps_its_model(running: RunningRuntime) -> None:
    async def scenario() -> None:
        stream = await running.runtime.start_stream(StreamSpec("push:", width=WIDTH, height=HEIGHT))
        with pytest.raises(BadRequest, match="/live"):
            await stream.update(policy="block")
        await stream.stop()

    running.call(scenario())


def test_kept_streams_are_written_down_with_their_changes(running: RunningRuntime, recording: Path) -> None:
    memory = Memory()

    async def scenario() -> None:
        runtime = running.runtime
        await runtime.restore(memory)
        stream = await runtime.start_stream(replay(recording, name="door", keep=True))
        passing = await runtime.start_stream(replay(recording, name="guest"))
        await stream.update(threshold=0.8)
        await passing.stop()
        await runtime._keeper.close()  # type: ignore[union-attr]
        assert list(memory.kept) == [stream.id]
        body = memory.kept[stream.id]
        assert (body["name"], body["spec"]["threshold"]) == ("door", 0.8)
        await stream.stop()
        await runtime._keeper.close()  # type: ignore[union-attr]
        assert memory.kept == {}

    running.call(scenario())


def test_kept_streams_come_back_under_their_ids(running: RunningRuntime, recording: Path) -> None:
    memory = Memory()
    spec = {"source": f"file://{recording}?speed=1&loop=1", "width": WIDTH, "height": HEIGHT, "keep": True}
    memory.kept = {
        "a1": {"name": "door", "spec": spec},
        "b2": {"name": "gate", "spec": {**spec, "source": "file:///not/there.raw"}},
        "c3": {"name": "old", "spec": {**spec, "flux": 1}},
    }

    async def scenario() -> None:
        runtime = running.runtime
        await runtime.restore(memory)
        door, gate = runtime.stream("door"), runtime.stream("gate")
        assert (door.id, gate.id) == ("a1", "b2")
        assert "old" not in {stream.name for stream in runtime.streams.values()}
        await until(door, lambda: door.status()["answers"] > 1)
        await until(gate, lambda: gate.status()["link"]["state"] == "lost")
        assert "/not/there.raw" in gate.status()["link"]["detail"]
        assert gate.hello()["resolution"] is None
        for stream in (door, gate):
            await stream.stop()
        await runtime._keeper.close()  # type: ignore[union-attr]
        assert list(memory.kept) == ["c3"]

    running.call(scenario())
