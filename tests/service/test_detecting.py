"""Uploads through real processes: answers, faults, limits, turns, cancelling."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from pathlib import Path

import pytest

from model.errors import BadSetting, UnknownModel
from service.answers import Answer
from service.errors import (
    JobCancelled,
    QueueFull,
)
from service.options import DetectOptions
from streaming.errors import (
    BackwardTime,
    ReaderDied,
    StreamingError,
    UnknownFormat,
)
from tests.service.loops import (
    SIZED,
    RunningRuntime,
    all_of,
    eventually,
    is_alive,
)
from tests.service.recordings import HEIGHT, WIDTH, events_array, write_broken_recording, write_recording


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


def test_a_finished_run_holds_no_shared_memory(running: RunningRuntime, recording: Path) -> None:
    def held() -> int:
        links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
        return sum("/dev/shm/" in os.readlink(link) for link in links if link.is_symlink())

    before = held()
    gc.disable()  # reference counts alone must free it
    try:
        for _ in range(3):
            running.call(all_of(running.runtime.detect(recording, SIZED)))
        assert held() == before
    finally:
        gc.enable()


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
