"""A server of our own to measure, and what its processes hold in memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil

from service.client import Client, ServiceProblem

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Server:
    """A running `spikesight serve`."""

    url: str
    process: psutil.Process


@contextmanager
def server() -> Iterator[Server]:
    """`spikesight serve` on a free port, ready, with a data folder of its own; ended on leaving."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with TemporaryDirectory() as folder:
        environment = {**os.environ, "SPIKESIGHT_DATA_DIR": folder, "SPIKESIGHT_LOG_LEVEL": "error"}
        command = [str(Path(sys.executable).with_name("spikesight")), "serve", "--port", str(port)]
        child = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_ready(url, child)
            yield Server(url, psutil.Process(child.pid))
        finally:
            child.terminate()
            child.wait(timeout=30)


def _wait_ready(url: str, child: subprocess.Popen[bytes], limit_s: float = 180) -> None:
    deadline = time.monotonic() + limit_s
    with Client(url, timeout_s=5) as client:
        while time.monotonic() < deadline and child.poll() is None:
            try:
                client.health()
                return
            except (ServiceProblem, httpx.TransportError):
                time.sleep(0.2)
    raise RuntimeError(f"the service at {url} was not ready within {limit_s:.0f} s")


def resident_mb(process: psutil.Process) -> float:
    """Resident memory of one process, MB."""
    resident: int = process.memory_info().rss
    return resident / MB


def family_mb(process: psutil.Process) -> float:
    """Memory of a process and all below it, pages that several share counted once (PSS), MB."""
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / MB


class Peak:
    """Largest `family_mb` while the block runs, sampled ten times a second."""

    def __init__(self, process: psutil.Process) -> None:
        self.mb = 0.0
        self._process = process
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(0.1):
            try:
                self.mb = max(self.mb, family_mb(self._process))
            except psutil.NoSuchProcess:
                return
