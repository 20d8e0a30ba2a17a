"""Peers of `dv://` sources: real `NetworkWriter`s and liars, each in a process of its own, told what to do.

Run as a program: `camera PORT WIDTH HEIGHT NAME COMPRESSION`, `frames PORT` or `bytes PORT FILE...`, where a
connection is a file that is sent to the first, second, ... client; the last one to all others.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streaming.outlet import Outlet


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Peer:
    """A running peer."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, __file__, *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._wait_for(b"listening\n")

    def send(self, t_us: Sequence[int], x: int = 1, y: int = 2, p: int = 1) -> None:
        """Has a camera send one batch with events at these times; returns when it was given to a client."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([list(t_us), x, y, p]).encode() + b"\n")
        self.process.stdin.flush()
        self._wait_for(b"sent\n")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def _wait_for(self, line: bytes) -> None:
        assert self.process.stdout is not None
        found = self.process.stdout.readline()
        assert found == line, (found, self.process.poll())


@contextmanager
def peer(*arguments: object) -> Iterator[Peer]:
    running = Peer(*arguments)
    try:
        yield running
    finally:
        running.end()


def watch(outlet: Outlet, uri: str) -> None:
    """What a child runs: tells what it waits for, who is there, and times of what comes."""
    from streaming.live.linked import Linked
    from streaming.sources import open_source

    source = open_source(uri)
    assert isinstance(source, Linked)
    source.on_wait = lambda what: outlet.send(("waits", what))
    with source:
        outlet.send(("there", source.info.width, source.info.height))
        for events in source.packets():
            outlet.send(("events", events.t_us.tolist()))


@contextmanager
def camera(
    port: int,
    width: int = 346,
    height: int = 260,
    name: str = "DAVIS346_00000042",
    compression: str = "NONE",
) -> Iterator[Peer]:
    """A `NetworkWriter` of dv-processing that sends what it is told."""
    with peer("camera", port, width, height, name, compression) as running:
        yield running


def recorded_bytes(t_us: Sequence[int], compression: str = "NONE") -> tuple[bytes, bytes]:
    """Header and first packet of a real stream, as they are on the wire."""
    port = free_port()
    with (
        camera(port, compression=compression) as running,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        size = _exactly(client, 4)
        header = size + _exactly(client, int.from_bytes(size, "little"))
        running.send(t_us)
        head = _exactly(client, 8)  # stream, size
        return header, head + _exactly(client, int.from_bytes(head[4:], "little"))


def _exactly(client: socket.socket, count: int) -> bytes:
    client.settimeout(30)
    found = b""
    while len(found) < count:
        part = client.recv(count - len(found))
        assert part, "the camera closed the connection"
        found += part
    return found


def _serve_camera(port: str, width: str, height: str, name: str, compression: str) -> None:
    import dv_processing as dv

    stream = dv.io.Stream.EventStream(0, "events", name, (int(width), int(height)))
    stream.setCompression(dv.CompressionType.__members__[compression])
    writer = dv.io.NetworkWriter("127.0.0.1", int(port), stream)
    _say("listening")
    for line in sys.stdin:
        t_us, x, y, p = json.loads(line)
        while writer.getClientCount() == 0:
            time.sleep(0.005)
        store = dv.EventStore()
        for t in t_us:
            store.push_back(t, x, y, bool(p))
        writer.writeEvents(store)
        _say("sent")
    os._exit(0)  # a NetworkWriter's destructor waits for its clients


def _serve_frames(port: str) -> None:
    import dv_processing as dv

    stream = dv.io.Stream.FrameStream(0, "frames", "DAVIS346_00000042", (346, 260))
    writer = dv.io.NetworkWriter("127.0.0.1", int(port), stream)
    _say("listening")
    sys.stdin.read()
    del writer


def _serve_bytes(port: str, *connections: str) -> None:
    contents = [Path(path).read_bytes() for path in connections]
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        _say("listening")
        held: list[socket.socket] = []
        while True:
            client, _ = listener.accept()
            held.append(client)
            content = contents[min(len(held), len(contents)) - 1]
            try:
                client.sendall(content)
            except OSError:
                continue


def _say(word: str) -> None:
    print(word, flush=True)


if __name__ == "__main__":
    {"camera": _serve_camera, "frames": _serve_frames, "bytes": _serve_bytes}[sys.argv[1]](*sys.argv[2:])
