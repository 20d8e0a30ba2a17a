"""`spikesight send`: from a real process over a real socket into a `udp://` source."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from streaming.events import Events
from streaming.live.udp import open_udp

SPIKESIGHT = Path(sys.executable).with_name("spikesight")
EVENTS = 6_000


@pytest.fixture
def port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    t_us = np.sort(rng.integers(0, 300_000, EVENTS))
    columns = t_us, rng.integers(0, 346, EVENTS), rng.integers(0, 260, EVENTS), rng.integers(0, 2, EVENTS)
    path = tmp_path / "noise.npy"
    np.save(path, np.stack(columns, 1))
    return path


def send(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SPIKESIGHT, "send", *arguments], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("form", ["evt0", "faery"])
def test_a_recording_arrives_whole(recording: Path, port: int, form: str) -> None:
    with open_udp(f"udp://127.0.0.1:{port}?width=346&height=260&format={form}") as source:
        run = send(str(recording), "--to", f"udp://127.0.0.1:{port}?format={form}", "--speed", "4")
        assert run.returncode == 0, run.stderr
        assert f"sent {EVENTS:,} events" in run.stdout
        assert "udp://:PORT?width=346&height=260" in run.stderr.replace("\n", "")
        found: list[Events] = []
        for packet in source.packets():
            found.append(packet)
            if sum(map(len, found)) == EVENTS:
                break
        assert source.counters == {"malformed": 0, "late": 0, "overflowed": 0}
    rows = np.load(recording)
    np.testing.assert_array_equal(Events.concatenate(found).t_us, rows[:, 0])
    np.testing.assert_array_equal(Events.concatenate(found).x, rows[:, 1])


def test_that_nobody_listens_is_said(recording: Path, port: int) -> None:
    run = send(str(recording), "--to", f"udp://127.0.0.1:{port}", "--speed", "max")
    assert run.returncode == 0
    assert "nobody listened" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("none.npy", "--to", "udp://127.0.0.1:9"), "found no file at none.npy"),
        (("sim://street?duration_s=1", "--to", "udp://:9"), "found no receiver"),
        (("sim://street?duration_s=1", "--loop", "--to", "udp://127.0.0.1:9"), "a URI says itself"),
        (("sim://street?duration_s=1", "--to", "tcp://127.0.0.1:9"), "found no address"),
    ],
)
def test_what_means_nothing_is_refused(arguments: tuple[str, ...], says: str) -> None:
    run = send(*arguments)
    assert run.returncode == 2
    assert says in run.stderr.replace("\n", " ")
    assert "Traceback" not in run.stderr
