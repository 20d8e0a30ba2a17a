"""`spikesight camera` in one process, its events in another."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from streaming.errors import SourceLost
from streaming.events import Events
from streaming.live.dv import DvSource, open_dv
from tests.streaming.live.dv_peers import free_port

SPIKESIGHT = Path(sys.executable).with_name("spikesight")
END_S = 60.0
EVENTS, DURATION_US = 20_000, 1_000_000


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of noise at 346 x 260 that begins at 5 s, as N x 4."""
    rng = np.random.default_rng(2)
    t_us = 5_000_000 + np.sort(rng.integers(0, DURATION_US, EVENTS))
    x, y, p = rng.integers(0, 346, EVENTS), rng.integers(0, 260, EVENTS), rng.integers(0, 2, EVENTS)
    x[0], y[0] = 345, 259
    path = tmp_path_factory.mktemp("camera") / "noise.npy"
    np.save(path, np.stack([t_us, x, y, p], 1))
    return path


@contextmanager
def serving(source: Path, port: int, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [SPIKESIGHT, "camera", str(source), "--listen", f"127.0.0.1:{port}", *options]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stderr is not None
        line = running.stderr.readline()
        assert line == f"serving {source}, 346 x 260 pixels, at dv://127.0.0.1:{port}\n", line
        yield running
    finally:
        running.kill()
        running.communicate()


@contextmanager
def reading(port: int) -> Iterator[tuple[DvSource, Iterator[Events]]]:
    with open_dv(f"dv://127.0.0.1:{port}") as source:
        yield source, source.packets()


def events_of(packets: Iterator[Events], count: int) -> Events:
    parts: list[Events] = []
    while sum(map(len, parts)) < count:
        parts.append(next(packets))
    return Events.concatenate(parts)


def test_a_looped_recording_is_a_camera_with_the_time_of_day(recording: Path) -> None:
    port = free_port()
    with serving(recording, port, "--loop", "--name", "STREET_1"), reading(port) as (source, packets):
        assert (source.info.width, source.info.height, source.info.sensor) == (346, 260, "STREET_1")
        events = events_of(packets, EVENTS + 5_000)  # longer than one turn
        assert abs(time.time() - events.t_us[-1] / 1e6) < END_S
    assert np.all(np.diff(events.t_us) >= 0)


def test_the_time_of_the_source_can_be_kept(recording: Path) -> None:
    port = free_port()
    with serving(recording, port, "--loop", "--clock", "source"), reading(port) as (source, packets):
        events = events_of(packets, 2_000)
        assert 5_000_000 <= events.t_us[0] <= events.t_us[-1] < 5_000_000 + 1_000 * DURATION_US
        assert source.event_clock_s is None


def test_a_source_that_ends_is_served_to_its_last_event(recording: Path) -> None:
    whole = np.load(recording)
    port, parts = free_port(), list[Events]()
    slowly = ("--clock", "source", "--speed", "0.3")  # we are there before it ends
    with serving(recording, port, *slowly) as running, reading(port) as (_, packets):
        with pytest.raises(SourceLost, match="went away"):
            parts.extend(packets)
        printed, said = running.communicate(timeout=END_S)
    assert running.returncode == 0, said
    events = Events.concatenate(parts)
    assert len(events) > 0
    found = np.stack([events.t_us, events.x, events.y, events.p], 1)
    np.testing.assert_array_equal(found, whole[-len(events) :])
    assert len(events) <= int(printed.split()[1].replace(",", "")) <= EVENTS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_though_somebody_listens(recording: Path, number: int) -> None:
    port = free_port()
    with (
        serving(recording, port, "--loop") as running,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        assert client.recv(4)
        os.kill(running.pid, number)
        printed, said = running.communicate(timeout=END_S)
    assert running.returncode == 0, said
    assert printed.startswith("served ")
    assert "stopped" in said
    assert "Traceback" not in said


def test_a_killed_camera_can_listen_on_its_port_again(recording: Path) -> None:
    port = free_port()
    for _ in range(2):
        with serving(recording, port, "--loop") as running, reading(port) as (_, packets):
            events_of(packets, 100)
            running.kill()
            running.wait()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--listen", "camera"], "--listen: found no port in 'camera'"),
        (["--listen", "192.0.2.1:7777"], "Cannot assign requested address"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_line(recording: Path, arguments: list[str], says: str) -> None:
    run = subprocess.run(
        [SPIKESIGHT, "camera", recording, *arguments], capture_output=True, text=True, timeout=END_S
    )
    assert run.returncode == 2
    assert says in " ".join(run.stderr.replace("│", " ").split())
    assert "Traceback" not in run.stderr
