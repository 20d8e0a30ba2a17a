"""`dv://` against real `NetworkWriter`s in processes of their own, and against peers that lie."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from streaming.errors import BrokenRecording, SourceLost
from streaming.events import Events
from streaming.live.complaining import Complaining
from streaming.live.dv import DvSource, open_dv
from streaming.live.dv_sockets import own_sockets
from streaming.live.linked import Linked
from streaming.sources import open_source
from tests.streaming.live.dv_peers import Peer, camera, free_port, peer, recorded_bytes

HOUR_US = 3_600_000_000


def uri(port: int, query: str = "") -> str:
    return f"dv://127.0.0.1:{port}{query}"


@pytest.fixture(scope="module")
def davis() -> Iterator[tuple[int, Peer]]:
    port = free_port()
    with camera(port) as running:
        yield port, running


@pytest.fixture
def entered(davis: tuple[int, Peer]) -> Iterator[tuple[DvSource, Iterator[Events], Peer]]:
    with open_dv(uri(davis[0])) as source:
        yield source, source.packets(), davis[1]


def received(packets: Iterator[Events], count: int) -> list[Events]:
    """Packets with events, until they have `count`."""
    parts: list[Events] = []
    while sum(map(len, parts)) < count:
        if len(packet := next(packets)):
            parts.append(packet)
    return parts


def waiting(port: int, until: Callable[[str], bool], query: str = "") -> str:
    """What a source waits for, once it says what is looked for; it then stops waiting."""
    source = open_dv(uri(port, query))
    said: list[str] = []

    def on_wait(what: str) -> None:
        said.append(what)
        if until(what):
            source.close()

    source.on_wait = on_wait
    with pytest.raises(SourceLost, match="closed while waiting"), source:
        pass
    return said[-1]


def test_every_event_arrives_as_it_was_sent(davis: tuple[int, Peer]) -> None:
    port, running = davis
    with open_source(f"dv://localhost:{port}") as source:
        assert isinstance(source, Linked)
        assert isinstance(source, Complaining)
        info = source.info
        assert (info.format, info.width, info.height, info.live) == ("dv", 346, 260, True)
        assert info.sensor == "DAVIS346_00000042"
        packets = source.packets()
        running.send(range(1_000, 201_000, 100), x=345, y=259, p=0)
        events = Events.concatenate(received(packets, 2_000))
    np.testing.assert_array_equal(events.t_us, np.arange(1_000, 201_000, 100))
    assert {*events.x.tolist()} == {345}
    assert {*events.y.tolist()} == {259}
    assert {*events.p.tolist()} == {0}
    assert [column.dtype for column in (events.t_us, events.x, events.y, events.p)] == [
        np.int64, np.uint16, np.uint16, np.uint8,
    ]  # fmt: skip


@pytest.mark.parametrize("compression", ["LZ4", "ZSTD"])
def test_compressed_streams_are_read(compression: str) -> None:
    t_us = range(1_000, 51_000, 10)
    _, packet = recorded_bytes(t_us, compression)
    assert len(packet) < 8 * len(t_us)  # of 16 bytes an event
    port = free_port()
    with camera(port, compression=compression) as running, open_dv(uri(port)) as source:
        running.send(t_us)
        assert Events.concatenate(received(source.packets(), len(t_us))).t_us.tolist() == [*t_us]


def test_a_quiet_camera_gives_empty_packets_twice_a_second(
    entered: tuple[DvSource, Iterator[Events], Peer],
) -> None:
    source, packets, running = entered
    begin_s = time.monotonic()
    assert [len(packet) for packet in islice(packets, 3)] == [0, 0, 0]
    assert time.monotonic() - begin_s >= 0.7  # no busy loop
    running.send([5])
    assert received(packets, 1)[0].t_us.tolist() == [5]
    assert set(source.counters.values()) == {0}


def test_times_of_day_are_mapped_to_the_clock_and_others_are_not(
    entered: tuple[DvSource, Iterator[Events], Peer],
) -> None:
    source, packets, running = entered
    assert source.event_clock_s is None
    running.send([HOUR_US])
    received(packets, 1)
    assert source.event_clock_s is None
    now_us = time.time_ns() // 1_000
    running.send([now_us])
    received(packets, 1)
    assert source.event_clock_s is not None
    assert now_us / 1e6 + source.event_clock_s == pytest.approx(time.monotonic(), abs=60)
    running.send([now_us + HOUR_US])
    received(packets, 1)
    assert source.event_clock_s is None


def test_time_that_jumps_back_passes_as_a_packet_that_begins_earlier(
    entered: tuple[DvSource, Iterator[Events], Peer],
) -> None:
    _, packets, running = entered
    running.send([HOUR_US, HOUR_US + 10])
    running.send([7, 8])
    assert [packet.t_us.tolist() for packet in received(packets, 4)] == [[HOUR_US, HOUR_US + 10], [7, 8]]


def test_the_kernel_watches_over_the_connection(entered: tuple[DvSource, Iterator[Events], Peer]) -> None:
    kept_alive = [
        own.getpeername() for own in own_sockets() if own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    ]
    assert len(kept_alive) == 1


def test_nobody_there_is_waited_for() -> None:
    port = free_port()
    assert waiting(port, lambda what: True) == f"127.0.0.1:{port} does not answer (Connection refused)"
    source = open_dv(uri(port))
    said: list[str] = []
    peers: list[Peer] = []

    def start(what: str) -> None:
        said.append(what)
        if not peers:
            peers.append(Peer("camera", port, 64, 48, "LATE", "NONE"))

    source.on_wait = start
    try:
        with source:
            assert (source.info.width, source.info.height, source.info.sensor) == (64, 48, "LATE")
    finally:
        for running in peers:
            running.end()
    assert said


def test_an_unknown_machine_is_waited_for() -> None:
    source = open_dv("dv://no-such-machine.invalid:7777")
    said: list[str] = []
    source.on_wait = lambda what: (said.append(what), "found no" in what and source.close())[0]
    with pytest.raises(SourceLost), source:
        pass
    assert "found no machine 'no-such-machine.invalid'" in said[-1]


def test_a_silent_peer_is_waited_for_with_a_word_every_second() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        spoken_s: list[float] = [time.monotonic()]

        def until(what: str) -> bool:
            spoken_s.append(time.monotonic())
            return "does not say" in what

        assert waiting(port, until) == f"127.0.0.1:{port} accepts connections and does not say what it sends"
    assert len(spoken_s) >= 4


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "sends something that is no AEDAT4 stream"),
        (b"\xff\xff\xff\x7f\x18\0\0\0IOHE" + bytes(9_000), "sends something that is no AEDAT4 stream"),
        (b"\x00\x02\x00\x00\x18\0\0\0IOHE" + bytes(9_000), "could not be read"),
        (b"\x00\x02\x00\x00\x18\0\0\0IOHE", "does not say what it sends"),
    ],
    ids=["http", "huge header", "zeros", "half a header"],
)
def test_a_peer_that_sends_junk_is_waited_out(tmp_path: Path, content: bytes, says: str) -> None:
    path, port = tmp_path / "junk", free_port()
    path.write_bytes(content)
    with peer("bytes", port, path):
        assert says in waiting(port, lambda what: says in what)


def test_a_peer_that_serves_no_events_is_waited_out() -> None:
    port = free_port()
    with peer("frames", port):
        assert "serves 'FRME' and no events" in waiting(port, lambda what: "FRME" in what)


def test_another_camera_than_the_named_is_waited_out(davis: tuple[int, Peer]) -> None:
    port, running = davis
    said = waiting(port, lambda what: "serves" in what, "?name=DVXPLORER_7")
    assert said == f"127.0.0.1:{port} serves the camera 'DAVIS346_00000042', not 'DVXPLORER_7'"
    with open_dv(uri(port, "?name=DAVIS346_00000042")) as source:
        running.send([3])
        assert received(source.packets(), 1)[0].t_us.tolist() == [3]


def test_a_killed_peer_is_lost_and_found_again_with_another_time_base() -> None:
    port = free_port()
    for start_us in (HOUR_US, 17):
        with camera(port) as running, open_dv(uri(port)) as source:
            packets = source.packets()
            running.send([start_us, start_us + 1])
            assert received(packets, 2)[0].t_us.tolist() == [start_us, start_us + 1]
            running.process.kill()
            with pytest.raises(SourceLost, match=f"127.0.0.1:{port} went away"):
                list(packets)


def test_events_beyond_the_stated_sensor_are_left_out_counted_and_complained_about() -> None:
    port = free_port()
    with camera(port, 10, 8) as running, open_dv(uri(port)) as source:
        faults: list[BrokenRecording] = []
        source.on_fault = faults.append
        packets = source.packets()
        running.send(range(50), x=10)
        running.send(range(50, 100), x=9, y=7)
        assert sum(map(len, received(packets, 50))) == 50
    assert source.counters == {"outside": 50, "disordered": 0, "dropped": 0}
    assert [str(fault) for fault in faults] == [
        f"dv://127.0.0.1:{port}: found an event at x=10, y=2 (largest of its batch) outside the 10 x 8 "
        "sensor. State the right size with width and height, or the recording is damaged."
    ]


@pytest.mark.parametrize(
    ("t_us", "given"),
    [
        ([5, 6, 2, 3], [[5, 6], [2, 3]]),
        ([5, 4] * 30, []),
        ([5, 1 << 62, 1 << 62, 1 << 62], []),
    ],
    ids=["one jump", "no order", "absurd"],
)
def test_times_inside_a_batch_that_no_camera_sends(
    tmp_path: Path, t_us: list[int], given: list[list[int]]
) -> None:
    header, packet = recorded_bytes(range(1, len(t_us) + 1))
    records = np.frombuffer(bytearray(packet[-16 * len(t_us) :]), "<i8").reshape(-1, 2).copy()
    assert records[:, 0].tolist() == list(range(1, len(t_us) + 1))
    records[:, 0] = t_us
    _, good = recorded_bytes([1_000_000])
    path, port = tmp_path / "stream", free_port()
    path.write_bytes(header + packet[: -16 * len(t_us)] + records.tobytes() + good)
    with peer("bytes", port, path), open_dv(uri(port)) as source:
        faults: list[BrokenRecording] = []
        source.on_fault = faults.append
        packets = source.packets()
        found = [packet.t_us.tolist() for packet in received(packets, sum(map(len, given)) + 1)]
    assert found == [*given, [1_000_000]]
    assert source.disordered == (0 if given else len(t_us))
    assert len(faults) == (0 if given else 1)
