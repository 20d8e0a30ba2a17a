"""`dv://` in a child process, as the service runs it: what the driver does there ends nothing else."""

from __future__ import annotations

import random
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streaming.errors import ReaderDied, SourceLost
from streaming.isolation import Child
from streaming.limits import Limits
from tests.streaming.live.dv_peers import camera, free_port, peer, recorded_bytes, watch

KILLED_S = 30.0


@contextmanager
def watched(port: int) -> Iterator[Child]:
    with Child(watch, (f"dv://127.0.0.1:{port}",), limits=Limits.live(), name="dv") as child:
        yield child


def until(child: Child, kind: str) -> Any:
    """The next message of a kind; those of events only where there are any."""
    for message in child:
        if message[0] == kind and message[1] != []:
            return message[1:]
    raise AssertionError(f"the child ended without {kind!r}")


def test_waiting_there_and_lost_are_told_and_a_new_child_finds_the_new_peer() -> None:
    port = free_port()
    with watched(port) as child:
        assert "Connection refused" in until(child, "waits")[0]
        with camera(port) as running:
            assert until(child, "there") == (346, 260)
            running.send([10_000_000])
            assert until(child, "events") == ([10_000_000],)
        with pytest.raises(SourceLost, match="went away"):
            until(child, "waits")
    with watched(port) as child:
        until(child, "waits")
        with camera(port, 64, 48) as running:
            assert until(child, "there") == (64, 48)
            running.send([7])
            assert until(child, "events") == ([7],)


def test_a_peer_that_falls_silent_just_after_our_look_leaves_a_child_that_can_be_killed(
    tmp_path: Path,
) -> None:
    header, _ = recorded_bytes([1])
    (tmp_path / "first").write_bytes(header)
    (tmp_path / "then").write_bytes(b"")
    port = free_port()
    with peer("bytes", port, tmp_path / "first", tmp_path / "then"), watched(port) as child:
        ended = threading.Event()
        messages: list[Any] = []

        def read() -> None:
            messages.extend(child)
            ended.set()

        reader = threading.Thread(target=read)
        reader.start()
        # The driver waits for the header with the GIL held: the child says nothing any more.
        assert not ended.wait(2.0)
        child.kill()
        assert ended.wait(KILLED_S)
        reader.join()
        assert [message for message in messages if message[0] != "waits"] == []


@pytest.mark.parametrize("broken", ["junk", "huge"])
def test_junk_in_the_middle_of_a_stream_ends_the_child_alone(tmp_path: Path, broken: str) -> None:
    header, packet = recorded_bytes([1, 2, 3])
    huge = struct.pack("<ii", 0, 0x7FFF_FFFF) + packet[8:]
    junk = {"junk": random.Random(0).randbytes(10_000), "huge": huge}[broken]
    path, port = tmp_path / "stream", free_port()
    path.write_bytes(header + packet + junk)
    with peer("bytes", port, path), watched(port) as child, pytest.raises((ReaderDied, SourceLost)):
        for _ in child:
            pass
    with camera(port := free_port()) as running, watched(port) as child:
        until(child, "there")
        running.send([4])
        assert until(child, "events") == ([4],)
