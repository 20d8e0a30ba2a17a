"""The inference worker, killed for real and asked for what it does not have."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from model.errors import BadWeights
from service.answers import Answer
from service.errors import (
    WorkerDied,
)
from service.inference import StreamBatcher
from service.models import ModelCache
from service.options import DetectOptions, StreamSpec
from service.supervisor import Supervisor
from service.wire import ring_to_wire
from streaming.ring import StepRing
from tests.service.loops import (
    SIZED,
    RunningRuntime,
    all_of,
    eventually,
    messages_until,
    of_type,
    replay,
)
from tests.service.recordings import HEIGHT, WIDTH, write_recording
from tests.service.tiny import tiny


def test_an_upload_survives_the_death_of_the_worker(running: RunningRuntime, tmp_path: Path) -> None:
    path = write_recording(tmp_path / "long.npy", duration_us=1_200_000, count=20_000)
    options = DetectOptions(width=WIDTH, height=HEIGHT, stride=2, threshold=0.001)
    undisturbed = running.call(all_of(running.runtime.detect(path, options)))

    async def disturbed() -> list[Answer]:
        answers = []
        async with running.runtime.detect(path, options) as run:
            async for answer in run:
                answers.append(answer)
                if answer.seq == 10:
                    running.kill_worker()
        return answers

    restarts = running.runtime.health().worker.restarts
    answers = running.call(disturbed())
    assert running.runtime.health().worker.restarts == restarts + 1
    assert [(a.seq, a.t_us, a.events) for a in answers] == [(a.seq, a.t_us, a.events) for a in undisturbed]
    for one, other in zip(answers, undisturbed, strict=True):
        assert one.detections.xyxy.tobytes() == other.detections.xyxy.tobytes()


def test_a_recording_that_kills_the_worker_again_and_again_gets_a_503(
    running: RunningRuntime, tmp_path: Path
) -> None:
    path = write_recording(tmp_path / "long.npy", duration_us=60_000_000, count=100_000)

    async def deadly() -> None:
        async with running.runtime.detect(path, SIZED) as run:
            async for _ in run:
                if running.runtime.ready:
                    running.kill_worker()

    with pytest.raises(WorkerDied, match="died 3 times"):
        running.call(deadly())
    running.call(running.runtime.wait_ready(30))


def test_a_stream_goes_on_after_the_death_of_the_worker(running: RunningRuntime, recording: Path) -> None:
    async def scenario() -> list[Any]:
        stream = await running.runtime.start_stream(replay(recording))
        await messages_until(stream, lambda seen: len(of_type(seen, "detections")) >= 2)
        running.kill_worker()

        def recovered(seen: list[Any]) -> bool:
            return bool(of_type(seen, "reset")) and seen[-1]["type"] == "detections"

        messages = await messages_until(stream, recovered)
        await stream.stop()
        return messages

    messages = running.call(scenario())
    assert of_type(messages, "reset") == [{"type": "reset", "reason": "worker_restarted"}]
    assert "restarting" in {message["worker"] for message in of_type(messages, "status")}


def test_events_are_counted_to_the_last_one_also_when_the_worker_dies(
    running: RunningRuntime, tmp_path: Path
) -> None:
    path = write_recording(tmp_path / "played.npy", duration_us=3_000_000, count=60_000)

    async def scenario() -> list[Any]:
        stream = await running.runtime.start_stream(replay(path, "speed=1"))
        asyncio.get_running_loop().call_later(1.0, running.kill_worker)
        return await messages_until(stream, lambda _: False)

    messages = running.call(scenario())
    answered = sum(message["events"] for message in of_type(messages, "detections"))
    last = of_type(messages, "status")[-1]
    assert last["state"] == "ended"
    assert last["dropped"]["events"] > 0
    assert answered + last["dropped"]["events"] == last["events"] == 60_000
    assert [m["seq"] for m in of_type(messages, "detections")] == list(range(last["answers"]))


class Said:
    """A client that keeps what the worker says."""

    def __init__(self, client_id: str) -> None:
        self.id = client_id
        self.messages: list[dict[str, Any]] = []

    def worker_said(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    def worker_lost(self) -> None:
        self.messages.append({"type": "lost"})

    def worker_back(self) -> None:
        self.messages.append({"type": "back"})


MARKS = {"restart": False, "reset": False, "joins": False}

POISON: list[tuple[dict[str, Any], str]] = [
    ({"type": "open", "model": "nothing"}, "UnknownModel"),
    ({"type": "open", "ring": {"name": "no-such-ring", "shape": [2, 192, 256], "slots": 2}}, "BadRequest"),
    ({"type": "open", "size": [0, 0]}, "BadRequest"),
    ({"type": "open", "options": {"stride": -1}}, "BadRequest"),
    ({"type": "open", "size": None}, "BadRequest"),
]


@pytest.mark.parametrize(("poison", "error"), POISON)
def test_a_poisoned_request_fails_alone(
    running: RunningRuntime, recording: Path, poison: dict[str, Any], error: str
) -> None:
    supervisor = running.runtime._supervisor
    pid = supervisor.health().pid
    client = Said("poisoner")
    with StepRing((2, 192, 256), 2) as ring:
        request = {
            "stream": client.id,
            "model": "ems-nano",
            "options": {"threshold": None, "iou": None, "stride": None},
            "size": [WIDTH, HEIGHT],
            "ring": ring_to_wire(ring.address),
            "resume": {"index": 0, "answered": 0, "events": 0},
        }

        async def ask() -> None:
            supervisor.attach(client)
            supervisor.send({**request, **poison})

        running.call(ask())
        eventually(lambda: bool(client.messages))
        running.call(detached(supervisor, client))
    assert (client.messages[0]["type"], client.messages[0]["error"]) == ("failed", error)
    assert len(running.call(all_of(running.runtime.detect(recording, SIZED)))) == 10
    assert supervisor.health().pid == pid


@pytest.mark.parametrize("slot", [-1, 2, 300, "x", None])
def test_a_slot_that_is_none_fails_its_stream_alone(running: RunningRuntime, slot: Any) -> None:
    supervisor = running.runtime._supervisor
    client = Said(f"slot {slot}")
    step = {"serial": 0, "t_us": [0, 8], "events": 1, "newest_us": 1, "ready_s": 0.0, **MARKS}
    with StepRing((2, 192, 256), 2) as ring:

        async def ask() -> None:
            supervisor.attach(client)
            supervisor.send(
                {
                    "type": "open",
                    "stream": client.id,
                    "model": "ems-nano",
                    "options": {},
                    "size": [WIDTH, HEIGHT],
                    "ring": ring_to_wire(ring.address),
                    "resume": {"index": 0, "answered": 0, "events": 0},
                }
            )
            supervisor.send({"type": "step", "stream": client.id, "slot": slot, **step})

        running.call(ask())
        eventually(lambda: len(client.messages) == 2)
        running.call(detached(supervisor, client))
    assert [message["type"] for message in client.messages] == ["opened", "failed"]
    assert client.messages[1]["error"] == "BadRequest"


def test_steps_that_wait_are_run_as_one_and_all_are_counted(running: RunningRuntime, tmp_path: Path) -> None:
    """Steps come ten times as fast as time goes, which no core bears."""
    path = write_recording(tmp_path / "fast.npy", duration_us=8_000_000, count=80_000)

    async def scenario() -> list[Any]:
        spec = replay(path, "speed=10", policy="shed_steps", threshold=0.001)
        stream = await running.runtime.start_stream(spec)
        return await messages_until(stream, lambda _: False)

    messages = running.call(scenario())
    answers, last = of_type(messages, "detections"), of_type(messages, "status")[-1]
    assert (
        sum(message["events"] for message in answers) + last["dropped"]["events"] == last["events"] == 80_000
    )
    assert any(message["joined"] for message in answers)
    assert all(1 <= message["steps"] <= 5 for message in answers)
    assert all(
        (message["t_us"][1] - message["t_us"][0]) == (message["steps"] + message["joined"]) * 8_000
        for message in answers
    )
    ends = [message["t_us"][1] for message in answers]
    assert ends == sorted(set(ends))


def test_a_stream_keeps_the_names_of_boxes_and_never_gives_one_twice(running: RunningRuntime) -> None:
    def named(seen: list[Any]) -> list[int]:
        return [change["track_id"] for m in of_type(seen, "tracks") for change in m["changes"]]

    def since_reset(seen: list[Any]) -> list[Any]:
        resets = [at for at, m in enumerate(seen) if isinstance(m, dict) and m["type"] == "reset"]
        return seen[resets[0] :] if resets else []

    async def scenario() -> tuple[list[int], list[Any]]:
        stream = await running.runtime.start_stream(StreamSpec("sim://street?seed=3&people=8", threshold=0.1))
        before = named(await messages_until(stream, lambda seen: len(named(seen)) > 3))
        running.kill_worker()
        after = await messages_until(stream, lambda seen: bool(named(since_reset(seen))))
        await stream.stop()
        return before, after

    before, after = running.call(scenario(), 90)
    boxes = [box for m in of_type(after, "detections") for box in m["boxes"]]
    assert {box["track_id"] for box in boxes} - {None} <= set(before) | set(named(after))
    assert min(named(since_reset(after))) > max(before)


async def detached(supervisor: Supervisor, client: Said) -> None:
    supervisor.detach(client)


def there(cache: ModelCache, name: str) -> None:
    """Waits until `name` is loaded; raises what loading raises."""
    eventually(lambda: cache.get(name) is not None)


def test_models_beyond_the_bound_are_given_up_when_no_stream_uses_them() -> None:
    loaded: list[str] = []

    def load(name: str) -> StreamBatcher[int]:
        if name == "broken":
            raise BadWeights("no weights")
        loaded.append(name)
        return StreamBatcher(tiny())

    cache = ModelCache(load, 2)
    cache.load_now("a")
    cache.hold("a")
    for name in ("b", "c"):
        cache.request(name)
        there(cache, name)
        cache.hold(name)
        cache.release(name)
    assert cache.names() == ["a", "c"]
    cache.request("broken")
    with pytest.raises(BadWeights):
        there(cache, "broken")
    assert len(list(cache.batchers())) == 2
    cache.request("b")
    there(cache, "b")
    assert loaded == ["a", "b", "c", "b"]
