"""A real server of our own: `spikesight serve` on a free port, with a data folder of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

START_S = 240
STOP_S = 20


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Where it listens, and its API process."""

    url: str
    pid: int
    data_dir: Path


@contextmanager
def running_server(data_dir: Path, **settings: str | int | float) -> Iterator[RunningServer]:
    """A ready server; `settings` as in docs/settings.md (`max_streams=2`). Its log is `data_dir`.log.

    Live streams see windows, unless `live_model` says otherwise: their answers are few and easily told apart.
    """
    port = free_port()
    environment = {**os.environ, "SPIKESIGHT_DATA_DIR": str(data_dir), "SPIKESIGHT_LIVE_MODEL": "ems-nano"}
    environment |= {f"SPIKESIGHT_{name.upper()}": str(value) for name, value in settings.items()}
    log = data_dir.with_suffix(".log")
    command = [str(Path(sys.executable).with_name("spikesight")), "serve", "--port", str(port)]
    with log.open("wb") as sink:
        process = subprocess.Popen(command, env=environment, stdout=sink, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_ready(url, process, log)
        yield RunningServer(url, process.pid, data_dir)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the server did not stop within {STOP_S} s of SIGTERM") from None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Returns when `/health/ready` says 200; fails with the log's end where it never does."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health/ready", timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not ready, exit code {process.poll()}:\n{log.read_text()[-4000:]}")
