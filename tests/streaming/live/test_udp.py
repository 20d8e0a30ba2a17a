"""`udp://` with real sockets: our own sender, faery's, and what goes wrong on the way."""

from __future__ import annotations

import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from streaming.errors import BadSource, BrokenRecording
from streaming.events import Events
from streaming.live.datagrams import LAYOUTS, PAYLOAD_BYTES
from streaming.live.sending import open_sender
from streaming.live.udp import LATE_US, UdpSource, open_udp
from streaming.packed import pack
from streaming.sources import open_source

WIDTH, HEIGHT = 346, 260


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def port() -> int:
    return free_port()


def listening(port: int, form: str = "evt0") -> UdpSource:
    return open_udp(f"udp://127.0.0.1:{port}?width={WIDTH}&height={HEIGHT}&format={form}")


def made(t_us: list[int]) -> Events:
    """Events at these times, each at its own pixel."""
    return Events.of(t_us, [t % WIDTH for t in t_us], [t % HEIGHT for t in t_us], [t % 2 for t in t_us])


def noise(count: int, span_us: int, start_us: int = 0) -> Events:
    rng = np.random.default_rng(3)
    t_us = start_us + np.sort(rng.integers(0, span_us, count))
    return Events.of(
        t_us, rng.integers(0, WIDTH, count), rng.integers(0, HEIGHT, count), rng.integers(0, 2, count)
    )


def send(port: int, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, ("127.0.0.1", port))


def received(packets: Iterator[Events], count: int) -> Events:
    """The next `count` events at least; the packets after which they were there."""
    parts: list[Events] = []
    for packet in packets:
        parts.append(packet)
        if sum(map(len, parts)) >= count:
            break
    return Events.concatenate(parts)


def assert_same(found: Events, expected: Events) -> None:
    for name in ("t_us", "x", "y", "p"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("form", LAYOUTS)
def test_every_event_sent_arrives(form: str, port: int) -> None:
    events = noise(20_000, 500_000, start_us=(1 << 32) - 200_000)
    with listening(port, form) as source, open_sender(f"udp://127.0.0.1:{port}?format={form}") as sender:
        packets = source.packets()
        for begin in range(0, len(events), 2_000):
            sender.send(events[begin : begin + 2_000])
            assert_same(received(packets, 2_000), events[begin : begin + 2_000])
        assert (sender.events, sender.unheard) == (20_000, 0)
        assert source.counters == {"malformed": 0, "late": 0, "overflowed": 0}


FAERY_SENDS = """
import sys, numpy, faery
events = numpy.load(sys.argv[1])
records = numpy.empty(len(events), faery.EVENTS_DTYPE)
for name, column in zip(("t", "x", "y", "on"), events.T):
    records[name] = column
stream = faery.events_stream_from_array(records, (346, 260))
stream.to_udp(("127.0.0.1", int(sys.argv[2])), format=sys.argv[3])
"""

FAERY_READS = """
import sys, numpy, faery
parts = []
for part in faery.events_stream_from_udp((346, 260), ("127.0.0.1", int(sys.argv[1])), format=sys.argv[2]):
    if not parts:
        print("heard", flush=True)
    parts.append(part[part["t"] > 0])
    if part["t"][-1] >= int(sys.argv[3]):
        break
events = numpy.concatenate(parts)
numpy.save(sys.argv[4], numpy.stack([events[name].astype("i8") for name in ("t", "x", "y", "on")], 1))
"""
FAERY_FORMATS = ["t64_x16_y16_on8", "t32_x16_y15_on1"]


def as_table(events: Events) -> np.ndarray:
    return np.stack([column.astype(np.int64) for column in (events.t_us, events.x, events.y, events.p)], 1)


@pytest.mark.parametrize("form", FAERY_FORMATS)
def test_what_faery_sends_is_read(form: str, port: int, tmp_path: Path) -> None:
    events = noise(3_000, 100_000)
    np.save(tmp_path / "events.npy", as_table(events))
    with listening(port, form) as source:
        # In a process of its own: faery leaves its sockets open.
        call = [sys.executable, "-c", FAERY_SENDS, str(tmp_path / "events.npy"), str(port), form]
        subprocess.run(call, check=True, timeout=60)
        assert_same(received(source.packets(), len(events)), events)


@pytest.mark.parametrize("form", FAERY_FORMATS)
def test_faery_reads_what_we_send(form: str, port: int, tmp_path: Path) -> None:
    events = noise(500, 100_000, start_us=1)
    last_us, out = str(events.t_us[-1]), str(tmp_path / "events.npy")
    with (
        open_sender(f"udp://127.0.0.1:{port}?format={form}") as sender,
        subprocess.Popen(
            [sys.executable, "-c", FAERY_READS, str(port), form, last_us, out], stdout=subprocess.PIPE
        ) as reader,
    ):
        assert reader.stdout is not None
        while not select.select([reader.stdout], [], [], 0.05)[0]:
            sender.send(made([0]))  # until it listens
        sender.send(events)
        assert reader.wait(60) == 0
    np.testing.assert_array_equal(np.load(out), as_table(events))


GOOD = pack(made([1_000, 2_000]))
BROKEN = {
    "nothing of ours": b"hello",
    "cut short": GOOD[:-1],
    "more than it says": GOOD + b"\0",
    "another version": GOOD[:4] + b"\2" + GOOD[5:],
    "outside the sensor": pack(Events.of([1_500], [WIDTH], [0], [1])),
    "below the sensor": pack(Events.of([1_500], [0], [HEIGHT], [1])),
    "no polarity": pack(Events.of([1_500], [0], [0], [7])),
    "time runs backward": pack(Events.of([0], [0], [0], [0]))[:6]
    + struct.pack("<Iq", 2, 0)
    + struct.pack("<IHHB", 5, 0, 0, 0)
    + struct.pack("<IHHB", 4, 0, 0, 0),
    "beyond all times": pack(Events.of([1 << 62], [0], [0], [0])),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_malformed_datagram_is_counted_and_takes_nothing_with_it(kind: str, port: int) -> None:
    said: list[BrokenRecording] = []
    with listening(port) as source:
        source.on_fault = said.append
        packets = source.packets()
        send(port, pack(made([500])), BROKEN[kind], GOOD)
        assert received(packets, 3).t_us.tolist() == [500, 1_000, 2_000]
        next(packet for packet in packets if len(packet) == 0)
        assert source.counters == {"malformed": 1, "late": 0, "overflowed": 0}
    assert len(said) == 1
    assert "refused 1 datagrams" in str(said[0])


@pytest.mark.parametrize("form", ["faery", "t32_x16_y15_on1"])
def test_faery_datagrams_of_no_whole_events_are_refused(form: str, port: int) -> None:
    (good,) = LAYOUTS[form].datagrams(made([1_000, 2_000]))
    with listening(port, form) as source:
        send(port, good[:-1], good)
        assert received(source.packets(), 2).t_us.tolist() == [1_000, 2_000]
        assert source.malformed == 1


def test_absurd_faery_times_are_refused(port: int) -> None:
    (good,) = LAYOUTS["faery"].datagrams(made([1_000]))
    with listening(port, "faery") as source:
        send(port, b"\xff" * 8 + good[8:], good)
        assert received(source.packets(), 1).t_us.tolist() == [1_000]
        assert source.malformed == 1


def test_only_rubbish_is_silence(port: int) -> None:
    with listening(port) as source:
        send(port, *[b"rubbish"] * 50)
        assert len(next(source.packets())) == 0
        assert source.malformed == 50


def test_silence_gives_empty_packets(port: int) -> None:
    with listening(port) as source:
        assert [len(packet) for packet in islice(source.packets(), 3)] == [0, 0, 0]


def test_swapped_datagrams_that_wait_together_are_put_in_order(port: int) -> None:
    with listening(port) as source:
        send(port, pack(made([3_000, 4_000])), pack(made([1_000, 3_500])), pack(made([5_000])))
        assert received(source.packets(), 5).t_us.tolist() == [1_000, 3_000, 3_500, 4_000, 5_000]
        assert source.late == 0


def test_what_comes_too_late_is_left_out_and_counted(port: int) -> None:
    with listening(port) as source:
        packets = source.packets()
        send(port, pack(made([10_000])))
        assert received(packets, 1).t_us.tolist() == [10_000]
        send(port, pack(made([8_000, 9_000, 10_000, 11_000])))
        assert received(packets, 2).t_us.tolist() == [10_000, 11_000]
        assert source.late == 2


def test_another_time_base_begins_anew(port: int) -> None:
    with listening(port) as source:
        packets = source.packets()
        send(port, pack(made([9_000_000])), pack(made([100, 200])), pack(made([300])))
        assert next(packets).t_us.tolist() == [9_000_000]
        assert next(packets).t_us.tolist() == [100, 200, 300]
        send(port, pack(made([9_000_000 + LATE_US])))
        assert received(packets, 1).t_us.tolist() == [9_000_000 + LATE_US]
        assert source.counters == {"malformed": 0, "late": 0, "overflowed": 0}


def test_short_times_wrap(port: int) -> None:
    events = noise(1_000, 400_000, start_us=(1 << 32) - 200_000)
    layout = LAYOUTS["t32_x16_y15_on1"]
    with listening(port, layout.name) as source:
        packets = source.packets()
        for datagram in layout.datagrams(events):
            send(port, datagram)
        found = received(packets, len(events))
        assert_same(found, events)


def test_what_the_system_threw_away_is_counted(port: int) -> None:
    """A buffer too small for what comes: lost datagrams and given events add up to those sent."""
    said: list[BrokenRecording] = []
    with listening(port) as source:
        source.on_fault = said.append
        assert source._socket is not None
        source._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        send(port, *(pack(made([index])) for index in range(500)))
        packets = source.packets()
        first = received(packets, 1)
        send(port, pack(made([1_000])))  # the kernel tells with the next datagram
        last = received(packets, 1)
        assert last.t_us.tolist() == [1_000]
        next(packet for packet in packets if len(packet) == 0)
        assert source.overflowed > 0
        assert len(first) + source.overflowed == 500
    assert "rmem_max" in str(said[-1])


def test_datagrams_fit_an_ethernet() -> None:
    events = noise(5_000, 10_000)
    for layout in LAYOUTS.values():
        sizes = [len(datagram) for datagram in layout.datagrams(events)]
        assert max(sizes) <= PAYLOAD_BYTES
        assert sum(sizes) >= 5_000 * layout.record.itemsize


def test_a_pack_never_spans_more_than_it_can_say(port: int) -> None:
    far = Events.of([0, (1 << 32) - 1, 1 << 32], [1, 2, 3], [1, 2, 3], [0, 1, 0])
    with listening(port) as source, open_sender(f"udp://127.0.0.1:{port}") as sender:
        sender.send(far)
        assert sender.datagrams == 2
        assert_same(received(source.packets(), 3), far)


def test_the_buffer_is_enlarged(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain, listening(port) as source:
        assert source._socket is not None
        usual, ours = (
            each.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for each in (plain, source._socket)
        )
    assert ours > usual


def test_two_cannot_listen_on_one_port(port: int) -> None:
    with listening(port), pytest.raises(BadSource, match="cannot listen there: Address already in use"):
        listening(port).__enter__()


def test_ipv6_and_all_addresses(port: int) -> None:
    with open_udp(f"udp://:{port}?width=4&height=4") as source:
        send(port, pack(Events.of([5], [3], [3], [1])))
        assert received(source.packets(), 1).t_us.tolist() == [5]
    with (
        open_udp(f"udp://[::1]:{port}?width=4&height=4") as source,
        open_sender(f"udp://[::1]:{port}") as sender,
    ):
        sender.send(Events.of([6], [3], [3], [1]))
        assert received(source.packets(), 1).t_us.tolist() == [6]


def test_closing_ends_the_packets(port: int) -> None:
    with listening(port) as source:
        packets = source.packets()
        next(packets)
        source.close()
        assert list(packets) == []


def test_sending_to_nobody_is_no_error(port: int) -> None:
    with open_sender(f"udp://127.0.0.1:{port}") as sender:
        for t_us in range(20):
            sender.send(made([t_us]))
        assert sender.events == 20
        assert sender.unheard > 0


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("udp://:9000", "no size of the sensor.*width=346&height=260"),
        ("udp://:9000?width=346", "no size of the sensor"),
        ("udp://:9000?width=0&height=4", "width=0; allowed is a whole number in 1..65535"),
        ("udp://:9000?width=four&height=4", "width=four"),
        ("udp://:9000?width=4&height=4&format=evt3", "format=evt3; allowed are evt0, faery"),
        ("udp://:9000?width=4&height=4&speed=1", "option 'speed'; allowed are width, height, format"),
        ("udp://:9000?width=4&width=5&height=4", "option 'width' twice"),
        ("udp://?width=4&height=4", "no address"),
        ("udp://host?width=4&height=4", "no address"),
        ("udp://:0?width=4&height=4", "no address"),
        ("udp://:70000?width=4&height=4", "no address"),
        ("udp://:9000/path?width=4&height=4", "no address"),
        ("udp://[::1:9000?width=4&height=4", "no valid URI"),
    ],
)
def test_addresses_that_mean_nothing(uri: str, says: str) -> None:
    with pytest.raises(BadSource, match=says):
        open_source(uri)


def test_a_host_that_is_not_ours() -> None:
    with pytest.raises(BadSource, match="cannot listen there"):
        open_udp("udp://192.0.2.1:9000?width=4&height=4").__enter__()
    with pytest.raises(BadSource, match="no receiver"):
        open_sender("udp://:9000")
