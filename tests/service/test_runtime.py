"""`Runtime` as a whole: numbers, limits, idle times, shutdown, and no orphans."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from model.errors import UnknownModel
from service.options import StreamSpec
from service.runtime import Runtime
from service.settings import Settings
from streaming.errors import (
    LimitExceeded,
)
from tests.service.loops import (
    SIZED,
    all_of,
    eventually,
    is_alive,
    messages_until,
    replay,
    running_runtime,
)
from tests.service.recordings import HEIGHT, WIDTH, write_recording


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
