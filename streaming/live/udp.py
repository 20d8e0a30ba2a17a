"""`udp://:9000?width=346&height=260`: events in datagrams, from a camera's own computer or another program.

==============  ==========================================  ==============================================
name            allowed                                     meaning
==============  ==========================================  ==============================================
width, height   1..65535                                    the sensor's size, px; both are needed
format          evt0, faery, t64_x16_y16_on8,               how events lie in a datagram
                t32_x16_y15_on1                             (`streaming/live/datagrams.py`); default evt0
==============  ==========================================  ==============================================

UDP loses and swaps datagrams. What waits in the socket is put in order together. Events older than the newest
given are then too late: they are left out and counted, unless they are more than LATE_US older: that is
another time base, and time begins anew there. One sender a port: two would push each other's events out.
"""

from __future__ import annotations

import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from typing import Final, Self

import numpy as np

from streaming.errors import BadSource, BrokenRecording
from streaming.events import Events
from streaming.live.datagrams import Decoded, decode
from streaming.live.packets import IDLE_S, in_order
from streaming.live.udp_address import UdpAddress, parse_udp
from streaming.source import SourceInfo

BUFFER_BYTES: Final = 16 << 20
"""Asked of the system for what arrives while we decode; it grants at most net.core.rmem_max (times two)."""
LARGEST_BYTES: Final = 65_535
MOST_AT_ONCE: Final = 512
"""Datagrams taken from the socket before they are decoded."""
LATE_US: Final = 100_000
REPORT_S: Final = 1.0
"""Least time between two reports of faults."""

SO_RXQ_OVFL: Final = 40
SO_RCVBUFFORCE: Final = 33
"""Linux's numbers, which the socket module does not name."""


class UdpSource:
    """Datagrams as a `Source`. Entering it binds the port; nothing that arrives ends it.

    Args:
        uri: for messages.
        address: where to listen, and the layout of what comes.
        width, height: size of the sensor, pixels.

    Attributes:
        on_fault: called at most once a second with what was wrong with datagrams since.
        malformed: datagrams refused: broken, or with an event that the sensor cannot have given.
        late: events left out because newer ones had been given.
        overflowed: datagrams that the system threw away because its buffer was full.
    """

    def __init__(self, uri: str, address: UdpAddress, width: int, height: int) -> None:
        self._uri, self._address = uri, address
        self._width, self._height = width, height
        self._socket: socket.socket | None = None
        self._closed = threading.Event()
        self._newest_us: int | None = None
        self._complaint: BrokenRecording | None = None
        self._told, self._told_s = (0, 0), 0.0
        self.on_fault: Callable[[BrokenRecording], None] = lambda error: None
        self.malformed = self.late = self.overflowed = 0

    @property
    def info(self) -> SourceInfo:
        return SourceInfo("udp", self._width, self._height, live=True, size_source="caller")

    @property
    def counters(self) -> Mapping[str, int]:
        """`malformed` and `overflowed` datagrams, `late` events."""
        return {"malformed": self.malformed, "late": self.late, "overflowed": self.overflowed}

    def packets(self) -> Iterator[Events]:
        """Packets as they come, an empty one after IDLE_S without events; until closed."""
        given_s = time.monotonic()
        while not self._closed.is_set():
            for events in self._ordered(self._arrived()):
                given_s = time.monotonic()
                yield events
            now_s = time.monotonic()
            self._report(now_s)
            if now_s - given_s >= IDLE_S:
                given_s = now_s
                yield Events.empty()

    def close(self) -> None:
        """Ends `packets` within IDLE_S; may be called from another thread."""
        self._closed.set()

    def __enter__(self) -> Self:
        self._socket = _bound(self._uri, self._address)
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        if self._socket is not None:
            self._socket.close()

    def _arrived(self) -> Decoded:
        datagrams = self._take()
        decoded = decode(datagrams, self._address.layout, self._width, self._height, self._newest_us)
        self.malformed += decoded.malformed
        self._complaint = decoded.complaint or self._complaint
        return decoded

    def _take(self) -> list[bytes]:
        """What waits in the socket; waits up to IDLE_S for the first."""
        assert self._socket is not None, "enter the source first"
        datagrams: list[bytes] = []
        if not select.select([self._socket], [], [], IDLE_S)[0]:
            return datagrams
        while len(datagrams) < MOST_AT_ONCE:
            try:
                datagram, extras, _, _ = self._socket.recvmsg(LARGEST_BYTES, socket.CMSG_SPACE(4))
            except BlockingIOError:
                break
            datagrams.append(datagram)
            for level, kind, value in extras:
                if (level, kind) == (socket.SOL_SOCKET, SO_RXQ_OVFL):
                    self.overflowed = int.from_bytes(value[:4], sys.byteorder)
        return datagrams

    def _ordered(self, decoded: Decoded) -> Iterator[Events]:
        """Events of all datagrams in order of time, cut where another time base begins."""
        events, begin = decoded.events, 0
        newest_us = self._newest_us
        for start, end in pairwise([*decoded.starts, len(events)]):
            first_us, last_us = int(events.t_us[start]), int(events.t_us[end - 1])
            if newest_us is not None and first_us < newest_us - LATE_US:
                yield from self._sorted(events[begin:start])
                self._newest_us, newest_us, begin = None, last_us, start
            else:
                newest_us = last_us if newest_us is None else max(newest_us, last_us)
        yield from self._sorted(events[begin:])

    def _sorted(self, events: Events) -> Iterator[Events]:
        if len(events) == 0:
            return
        if (events.t_us[1:] < events.t_us[:-1]).any():
            events = events[np.argsort(events.t_us, kind="stable")]
        if self._newest_us is not None:
            too_late = int(np.searchsorted(events.t_us, self._newest_us))
            self.late += too_late
            events = events[too_late:]
        if len(events):
            self._newest_us = int(events.t_us[-1])
            yield from in_order(events)

    def _report(self, now_s: float) -> None:
        malformed, overflowed = self.malformed - self._told[0], self.overflowed - self._told[1]
        if now_s - self._told_s < REPORT_S or not (malformed or overflowed):
            return
        self._told, self._told_s = (self.malformed, self.overflowed), now_s
        said: list[str] = []
        if malformed:
            said.append(f"refused {malformed} datagrams, the last one because: {self._complaint}")
        if overflowed:
            said.append(
                f"the system threw {overflowed} datagrams away because its buffer was full; raise it: "
                f"sysctl -w net.core.rmem_max={BUFFER_BYTES}"
            )
        self.on_fault(BrokenRecording(f"{self._uri}: {'; '.join(said)}"))


def open_udp(uri: str) -> UdpSource:
    """The source that a URI such as `udp://:9000?width=346&height=260` means.

    Raises:
        BadSource: no port, no size, an unknown or repeated option, or a value that is not allowed.
    """
    address = parse_udp(uri)
    if address.width is None or address.height is None:
        raise BadSource(
            f"{uri}: found no size of the sensor, and datagrams do not say it. Add width and height, as in "
            f"udp://{address.host}:{address.port}?width=346&height=260"
        )
    return UdpSource(uri, address, address.width, address.height)


def _bound(uri: str, address: UdpAddress) -> socket.socket:
    """A socket that listens, does not block and has a large buffer."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address.host or "0.0.0.0", address.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise BadSource(f"{uri}: found no address of this machine by that name ({error.strerror})") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setblocking(False)
        _enlarge(listener)
        listener.bind(place)
    except OSError as error:
        listener.close()
        raise BadSource(
            f"{uri}: cannot listen there: {error.strerror}. Choose another port, or stop what listens on it."
        ) from None
    return listener


def _enlarge(listener: socket.socket) -> None:
    """Gives the socket the largest buffer that the system grants, and has it count what does not fit."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    if sys.platform == "linux":
        listener.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        with suppress(PermissionError):  # only an administrator may pass net.core.rmem_max
            listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
