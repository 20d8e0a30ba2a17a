"""`GET /cameras` and `spikesight cameras`: real child processes, cameras that hang and crash."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import psutil

from service.cameras import Cameras
from streaming.live.bus import udev_rules
from tests.service.conftest import Served

SPIKESIGHT = Path(sys.executable).with_name("spikesight")
Said = TypeVar("Said")


def run(awaited: Coroutine[Any, Any, Said]) -> Said:
    return asyncio.run(awaited)


def script(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


async def listed(cameras: Cameras) -> dict[str, Any]:
    return await cameras.listed()


def test_the_service_lists_what_is_plugged_in(server: Served) -> None:
    with server.client() as client:
        answer = client.get("/cameras")
    assert answer.status_code == 200
    told = answer.json()
    assert set(told) == {"cameras", "drivers", "advice"}
    assert set(told["drivers"]) == {"dv-processing", "neuromorphic-drivers"}
    assert told["cameras"] or told["advice"]


def test_drivers_that_hang_are_ended_and_the_kernel_is_asked(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    hangs = (
        f"import os, time, pathlib; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(600)"
    )
    told = run(listed(Cameras(script(hangs), timeout_s=2)))
    assert "did not answer within 2 s" in json.dumps(told)
    assert not psutil.pid_exists(int(note.read_text()))


def test_drivers_that_crash_take_nothing_with_them() -> None:
    told = run(listed(Cameras(script("import os; os.abort()"))))
    assert "failed while they looked (exit -6)" in json.dumps(told)


def test_many_who_ask_trouble_the_cameras_once(tmp_path: Path) -> None:
    note = tmp_path / "asked"
    counts = f"print('{{}}'); open({str(note)!r}, 'a').write('x')"

    async def many() -> None:
        cameras = Cameras(script(counts))
        await asyncio.gather(*(cameras.listed() for _ in range(20)))

    run(many())
    assert note.read_text() == "x"


def test_the_api_process_loads_no_driver() -> None:
    code = "import service.app, sys; print(*{'dv_processing', 'neuromorphic_drivers'} & set(sys.modules))"
    run = subprocess.run(script(code), capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


def spikesight(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    run = subprocess.run([SPIKESIGHT, *arguments], capture_output=True, text=True, timeout=120)
    assert run.returncode == code, run.stderr
    assert "Traceback" not in run.stderr
    return run


def test_the_command_says_what_to_do() -> None:
    told = json.loads(spikesight("cameras", "--json").stdout)
    said = spikesight("cameras").stdout
    for camera in told["cameras"]:
        assert camera["name"] in said
    assert told["advice"] in " ".join(said.split())


def test_the_command_prints_the_udev_rules() -> None:
    assert spikesight("cameras", "--udev").stdout == udev_rules()
