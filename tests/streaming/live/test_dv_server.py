"""Serving events as a camera, and reading them slower than they come."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import dv_processing
import numpy as np
import pytest

from streaming.errors import BadSource
from streaming.events import Events
from streaming.live.dv_address import Endpoint
from streaming.live.dv_link import DvLink
from streaming.live.dv_pump import Pump
from streaming.live.dv_server import CameraServer
from streaming.live.dv_sockets import own_sockets
from streaming.live.dv_stamps import Stamps
from tests.streaming.live.dv_peers import camera, free_port

SECOND_US = 1_000_000


@pytest.fixture
def server() -> Iterator[CameraServer]:
    with CameraServer(Endpoint("127.0.0.1", free_port()), 346, 260, name="SERVED") as running:
        yield running


def port_of(server: CameraServer) -> int:
    return server._endpoint.port


def at(*t_us: int) -> Events:
    return Events.of(t_us, [3] * len(t_us), [4] * len(t_us), [1] * len(t_us))


def connected(server: CameraServer, count: int) -> None:
    while server.clients != count:
        time.sleep(0.01)


def test_what_is_sent_before_anybody_listens_is_not_kept(server: CameraServer) -> None:
    server.send(at(1, 2))
    assert (server.clients, server.events) == (0, 0)


def test_everybody_gets_every_event_in_its_place(server: CameraServer) -> None:
    rng = np.random.default_rng(5)
    events = Events.of(
        np.sort(rng.integers(0, SECOND_US, 50_000)),
        rng.integers(0, 346, 50_000),
        rng.integers(0, 260, 50_000),
        rng.integers(0, 2, 50_000),
    )
    peer = Endpoint("127.0.0.1", port_of(server))
    links = [DvLink(dv_processing, peer) for _ in range(2)]
    try:
        connected(server, 2)
        for begin in range(0, len(events), 7_000):
            server.send(events[begin : begin + 7_000])
        assert server.drain(30)
        for link in links:
            assert (link.name, link.width, link.height) == ("SERVED", 346, 260)
            found: list[Events] = []
            while sum(map(len, found)) < len(events):
                part = link.read(30)
                assert part is not None
                found.append(part)
            whole = Events.concatenate(found)
            for name in ("t_us", "x", "y", "p"):
                np.testing.assert_array_equal(getattr(whole, name), getattr(events, name))
    finally:
        for link in links:
            link.close()
    assert server.events == len(events)


def test_leaving_waits_for_no_client() -> None:
    endpoint = Endpoint("127.0.0.1", free_port())
    with (
        CameraServer(endpoint, 346, 260, name="SERVED") as server,
        socket.create_connection((endpoint.host, endpoint.port)) as idle,
    ):
        connected(server, 1)
        server.__exit__(None, None, None)
        idle.settimeout(30)
        while idle.recv(4_096):
            pass  # the header, then the end
    with CameraServer(endpoint, 346, 260, name="AGAIN"):
        pass  # the port is free at once


def test_the_kernel_drops_clients_that_take_nothing(server: CameraServer) -> None:
    with socket.create_connection(("127.0.0.1", port_of(server))):
        connected(server, 1)
        server.send(Events.empty())
        port, accepts = port_of(server), socket.SO_ACCEPTCONN
        ours = [
            own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            for own in own_sockets()
            if own.getsockname()[1] == port and not own.getsockopt(socket.SOL_SOCKET, accepts)
        ]
    assert ours == [5_000]


def test_a_port_in_use_and_foreign_addresses_are_refused(server: CameraServer) -> None:
    for endpoint, says in (
        (Endpoint("127.0.0.1", port_of(server)), "Address already in use"),
        (Endpoint("192.0.2.1", 7777), "Cannot assign requested address"),
        (Endpoint("no-such-machine.invalid", 7777), "cannot listen on no-such-machine.invalid:7777"),
    ):
        with pytest.raises(OSError, match=says), CameraServer(endpoint, 10, 10, name="X"):
            pass
    with pytest.raises(BadSource, match="AEDAT4 has at most 32768"):
        CameraServer(Endpoint("127.0.0.1", 1), 40_000, 10, name="X")


def test_a_consumer_that_is_late_loses_the_oldest_events_and_they_are_counted() -> None:
    class Reader:
        """Holds ten batches of 100 events, as `NetworkReader` does, and ends."""

        def __init__(self) -> None:
            self.left = [SimpleNamespace(size=lambda: 100, number=i) for i in range(10)]

        def isRunning(self) -> bool:
            return bool(self.left)

        def getNextEventBatch(self) -> Any:
            return self.left.pop(0) if self.left else None

    pump = Pump(Reader(), most_events=350)
    pump._thread.join()
    taken = []
    while (batch := pump.take(0)) is not None:
        taken.append(batch.number)
    assert taken == [7, 8, 9]
    assert (pump.dropped, pump.ended) == (700, True)
    pump.close()


def test_a_real_reader_keeps_no_more_than_it_may() -> None:
    port = free_port()
    with camera(port) as running:
        link = DvLink(dv_processing, Endpoint("127.0.0.1", port), most_events=250)
        try:
            for begin in range(0, 1_000, 100):
                running.send(range(begin, begin + 100))
            while link.dropped < 800:
                time.sleep(0.01)
            assert [part.t_us.tolist() for part in (link.read(30), link.read(30)) if part is not None] == [
                list(range(800, 900)),
                list(range(900, 1_000)),
            ]
            assert link.dropped == 800
        finally:
            link.close()


def test_stamps_follow_the_clock_and_never_run_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    now_us = 1_700_000_000 * SECOND_US
    monkeypatch.setattr(time, "time_ns", lambda: now_us * 1_000)
    stamps = Stamps()
    assert stamps.stamped(at(100, 200)).t_us.tolist() == [now_us - 100, now_us]
    now_us += 10_050  # 50 us late: the source's own distance stays
    assert stamps.stamped(at(10_200)).t_us.tolist() == [now_us - 50]
    now_us += 5 * SECOND_US  # the source was held up
    assert stamps.stamped(at(10_300)).t_us.tolist() == [now_us]
    now_us += 1_000  # it hurries after, far ahead of the clock
    assert stamps.stamped(at(10_400, 9 * SECOND_US)).t_us.tolist()[0] >= now_us - 1_000
    before = stamps.stamped(at(9 * SECOND_US + 1)).t_us[0]
    assert stamps.stamped(at(5)).t_us[0] >= before  # its time ran backward
