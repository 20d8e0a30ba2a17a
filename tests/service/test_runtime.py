"""`Runtime` with real processes: uploads, streams, a worker that is killed, children that die."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model.errors import BadSetting, UnknownModel
from service.answers import Answer
from service.detecting import DetectRun
from service.errors import (
    BadFrame,
    FrameTooLarge,
    JobCancelled,
    NameTaken,
    NotAPushStream,
    QueueFull,
    StreamEnded,
    TooManyStreams,
    UnknownStream,
    WorkerDied,
)
from service.frames import encode_frame
from service.options import DetectOptions, StreamSpec
from service.runtime import Runtime
from service.settings import Settings
from service.streams import LiveStream
from streaming.errors import (
    BackwardTime,
    BadSource,
    LimitExceeded,
    ReaderDied,
    StreamingError,
    UnknownFormat,
)
from streaming.events import Events
from tests.service.loops import RunningRuntime, eventually, is_alive, running_runtime
from tests.service.recordings import HEIGHT, WIDTH, events_array, write_broken_recording, write_recording

SIZED = DetectOptions(width=WIDTH, height=HEIGHT)


@pytest.fixture(scope="module")
def running() -> Iterator[RunningRuntime]:
    settings = Settings(max_streams=3, max_waiting_uploads=1, status_s=0.1, viewer_queue=4096)
    with running_runtime(settings) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recording(tmp_path_factory.mktemp("recordings") / "short.npy")


async def all_of(run: DetectRun) -> list[Answer]:
    async with run:
        return [answer async for answer in run]


async def messages_until(stream: LiveStream, enough: Any, view_width: int | None = None) -> list[Any]:
    """What a viewer gets until `enough(messages)`, or the stream's end."""
    messages: list[Any] = []
    async with asyncio.timeout(30), stream.subscribe(view_width) as viewer:
        async for message in viewer:
            messages.append(message)
            if enough(messages):
                break
    return messages


def of_type(messages: list[Any], kind: str) -> list[dict[str, Any]]:
    return [message for message in messages if isinstance(message, dict) and message["type"] == kind]


def replay(path: Path, query: str = "speed=1&loop=1", **chosen: Any) -> StreamSpec:
    return StreamSpec(f"file://{path}?{query}", width=WIDTH, height=HEIGHT, **chosen)


# uploads


def test_a_recording_is_answered_to_its_end(running: RunningRuntime, recording: Path) -> None:
    run = running.runtime.detect(recording, SIZED)
    answers = running.call(all_of(run))
    assert [answer.seq for answer in answers] == list(range(10))
    assert sum(answer.events for answer in answers) == 20_000
    assert [answer.t_us[0] for answer in answers] == [i * 40_000 for i in range(10)]
    assert run.info is not None
    assert (run.info.format, run.info.width, run.info.height) == ("npy", WIDTH, HEIGHT)
    assert run.progress == 1.0
    assert {answer.device for answer in answers} == {"cpu"}
    assert all(answer.dropped.steps == 0 for answer in answers)


def test_the_service_answers_as_the_pipeline_does(running: RunningRuntime, recording: Path) -> None:
    from model.detector import Detector
    from service.pipeline import detect_recording
    from streaming.sources import open_recording

    options = DetectOptions(width=WIDTH, height=HEIGHT, stride=3, threshold=0.001)
    served = running.call(all_of(running.runtime.detect(recording, options)))
    with open_recording(recording, width=WIDTH, height=HEIGHT) as source:
        local = list(detect_recording(source, Detector.load(), options))
    assert [answer.t_us for answer in served] == [answer.t_us for answer in local]
    for one, other in zip(served, local, strict=True):
        assert one.detections.xyxy.tobytes() == other.detections.xyxy.tobytes()
        assert one.detections.score.tobytes() == other.detections.score.tobytes()
        assert one.spikes == other.spikes


def test_a_time_range_is_after_the_first_event(running: RunningRuntime, recording: Path) -> None:
    options = DetectOptions(width=WIDTH, height=HEIGHT, start_us=80_000, end_us=170_000)
    answers = running.call(all_of(running.runtime.detect(recording, options)))
    times = events_array(0, 400_000, 20_000)["t"]
    assert sum(answer.events for answer in answers) == int(((times >= 80_000) & (times < 170_000)).sum())
    assert answers[-1].steps < 5


def test_a_recording_shorter_than_a_step_is_answered(running: RunningRuntime, tmp_path: Path) -> None:
    path = write_recording(tmp_path / "tiny.npy", duration_us=500, count=30)
    (answer,) = running.call(all_of(running.runtime.detect(path, SIZED)))
    assert (answer.steps, answer.events, answer.t_us) == (1, 30, (0, 8_000))


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", UnknownFormat), (b"x", UnknownFormat), (b"# no events\n" * 3, StreamingError)],
    ids=["empty", "one byte", "text"],
)
def test_files_that_are_none(
    running: RunningRuntime, tmp_path: Path, content: bytes, error: type[Exception]
) -> None:
    path = tmp_path / "upload"
    path.write_bytes(content)

    async def opened() -> object:
        async with running.runtime.detect(path, SIZED) as run:
            return await run.opened()

    with pytest.raises(error):
        running.call(opened())


def test_a_broken_recording_gives_its_answers_then_its_fault(running: RunningRuntime, tmp_path: Path) -> None:
    path = write_broken_recording(tmp_path / "broken.npy")
    answers: list[Answer] = []

    async def read() -> None:
        async with running.runtime.detect(path, SIZED) as run:
            async for answer in run:
                answers.append(answer)

    with pytest.raises(BackwardTime, match=r"broken\.npy"):
        running.call(read())
    assert answers
    assert sum(answer.events for answer in answers) < 400_000


def test_cancel_kills_the_reader(running: RunningRuntime, tmp_path: Path) -> None:
    path = write_recording(tmp_path / "long.npy", duration_us=60_000_000, count=200_000)

    async def cancelled() -> int:
        async with running.runtime.detect(path, SIZED) as run:
            await anext(run)
            pid = run.pid
            assert pid is not None
            await run.cancel()
            with pytest.raises(JobCancelled):
                async for _ in run:
                    pass
            return pid

    pid = running.call(cancelled())
    eventually(lambda: not is_alive(pid))
    assert running.runtime.health().uploads_running == 0


def test_a_reader_that_is_killed_is_a_typed_error(running: RunningRuntime, tmp_path: Path) -> None:
    path = write_recording(tmp_path / "long.npy", duration_us=60_000_000, count=200_000)

    async def bereaved() -> None:
        async with running.runtime.detect(path, SIZED) as run:
            await anext(run)
            assert run.pid is not None
            os.kill(run.pid, signal.SIGKILL)
            async for _ in run:
                pass

    with pytest.raises(ReaderDied, match="SIGKILL"):
        running.call(bereaved())


def test_uploads_wait_for_their_turn_and_then_are_refused(running: RunningRuntime, tmp_path: Path) -> None:
    path = write_recording(tmp_path / "long.npy", duration_us=60_000_000, count=200_000)

    async def crowd() -> None:
        runtime = running.runtime
        async with runtime.detect(path, SIZED) as first, runtime.detect(path, SIZED) as second:
            await anext(first)
            await anext(second)
            third = runtime.detect(path, SIZED)
            waiting = asyncio.create_task(third.opened())
            await asyncio.sleep(0.05)
            assert runtime.health().uploads_waiting == 1
            with pytest.raises(QueueFull, match="try again"):
                runtime.detect(path, SIZED)
            await first.cancel()
            await waiting  # its turn has come
            await third.cancel()

    running.call(crowd())


def test_an_unread_answer_holds_the_reader_up(running: RunningRuntime, tmp_path: Path) -> None:
    path = write_recording(tmp_path / "long.npy", duration_us=20_000_000, count=50_000)

    async def idle_reader() -> tuple[int, float]:
        options = DetectOptions(width=WIDTH, height=HEIGHT, stride=1)
        async with running.runtime.detect(path, options) as run:
            await anext(run)
            before = -1
            while run.answers != before:  # until nothing moves any more
                before = run.answers
                await asyncio.sleep(0.5)
            return run.answers, run.progress

    answers, progress = running.call(idle_reader())
    assert 64 <= answers <= 64 + 10
    assert progress < 0.5


def test_unknown_models_and_senseless_numbers_are_refused(running: RunningRuntime, recording: Path) -> None:
    with pytest.raises(UnknownModel, match="ems-nano"):
        running.runtime.detect(recording, DetectOptions(model="/etc/passwd"))
    for wrong in ({"threshold": float("nan")}, {"iou": 2.0}, {"stride": 0}, {"width": -1}):
        with pytest.raises(BadSetting):
            DetectOptions(**wrong)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(BadSetting, match="larger"):
        DetectOptions(start_us=5, end_us=5)


# the worker dies


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


# streams


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
    latencies = [message["latency_ms"]["arrive"] for message in of_type(messages, "detections")]
    assert all(latency is None for latency in latencies)  # the client's clock is not ours


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


# life and death of the whole


def test_idle_streams_end_by_themselves(recording: Path) -> None:
    settings = Settings(status_s=0.1, stream_silent_s=1.0, stream_unwatched_s=0.5)
    with running_runtime(settings) as running:
        unwatched = running.call(running.runtime.start_stream(replay(recording)))
        eventually(lambda: not unwatched.running)

        async def silent() -> list[Any]:
            stream = await running.runtime.start_stream(StreamSpec("push:", width=WIDTH, height=HEIGHT))
            return await messages_until(stream, lambda _: False)

        messages = running.call(silent())
        assert messages[-1]["code"] == "stream-ended"
        assert "gave nothing for 1 s" in messages[-1]["message"]


def test_limits_of_an_upload_hold(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "short.npy", count=20_000)
    with running_runtime(Settings(parse_max_events=5_000)) as running:
        reading = all_of(running.runtime.detect(path, SIZED))
        with pytest.raises(LimitExceeded, match="5000 events"):
            running.call(reading)


def test_shutdown_ends_everything(recording: Path) -> None:
    with running_runtime(Settings()) as running:
        stream = running.call(running.runtime.start_stream(replay(recording)))
        run = running.runtime.detect(recording, SIZED)
        running.call(run.opened())
        worker, source = running.runtime.health().worker.pid, stream.describe()["pid"]
        begun_s = time.monotonic()
    assert time.monotonic() - begun_s < Settings().shutdown_s + 1  # the documented bound
    assert worker is not None
    eventually(lambda: not is_alive(worker) and not is_alive(source))
    assert not stream.running


ORPHANS = """
import asyncio, sys
from service.runtime import Runtime
from service.settings import Settings
from service.options import StreamSpec
from service.telemetry import configure_logging

configure_logging(Settings())

async def main():
    async with Runtime(Settings()) as runtime:
        await runtime.wait_ready(240)
        stream = await runtime.start_stream(
            StreamSpec("file://" + sys.argv[1] + "?speed=1&loop=1", width=64, height=48)
        )
        heavy = [name for name in ("torch", "numba", "onnxruntime", "cv2", "h5py") if name in sys.modules]
        print(runtime.health().worker.pid, stream.describe()["pid"], ",".join(heavy) or "-", flush=True)
        await asyncio.sleep(3600)

asyncio.run(main())
"""


def test_children_end_with_a_killed_parent_and_it_imported_nothing_heavy(recording: Path) -> None:
    before = set(os.listdir("/dev/shm"))
    command = [sys.executable, "-c", ORPHANS, str(recording)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker, source, heavy = parent.stdout.readline().split()
        parent.kill()
    assert heavy == "-"
    eventually(lambda: not is_alive(int(worker)) and not is_alive(int(source)))
    eventually(lambda: not {name for name in os.listdir("/dev/shm") if name.startswith("psm_")} - before)


def test_a_runtime_refuses_an_unknown_default_model() -> None:
    async def start() -> None:
        async with Runtime(Settings(model="nothing")):
            pass

    with pytest.raises(UnknownModel, match="nothing"):
        asyncio.run(start())
