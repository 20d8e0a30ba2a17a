"""`CameraServer`: serves events as AEDAT4 over TCP, as a camera on the network does.

By dv-processing's `NetworkWriter` (2.0.4), whose destructor waits, holding the GIL, until the last client has
gone: so clients are sent away first. It also keeps for every client what that client does not take, without a
bound: the kernel drops a client that takes nothing for `dv_sockets.UNSENT_MS`.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, Self

from streaming.errors import BadSource
from streaming.events import Events
from streaming.live.dv_address import LARGEST_SIDE, Endpoint
from streaming.live.dv_sockets import give_up_on_the_stuck, notice_death, own_sockets
from streaming.live.library import camera_library, plain

STREAM_NAME: Final = "events"
MOST_CLIENTS: Final = 16
MOST_QUEUED: Final = 512
"""Batches that may wait for the library's thread; beyond, new ones are given up and counted."""
TEND_S: Final = 1.0
"""Between two looks at who is connected."""
LEAVE_S: Final = 2.0
LOOK_S: Final = 0.01
LINGER_S: Final = 0.1
"""For clients by dv-processing to take what arrived: they throw it away when the connection ends."""


class CameraServer:
    """Listens while it is entered.

    Args:
        endpoint: where to listen; `0.0.0.0` or `::` for every network of the machine.
        width, height: size of the sensor, pixels.
        name: of the camera, as clients see it.

    Attributes:
        events: given to the library while anybody was connected.
        dropped: events given up because the library did not send in time.

    Raises:
        BadSource: dv-processing is not installed, or the sensor is larger than the format can say.
        OSError: when entered; no such address, or somebody else listens there.
    """

    def __init__(self, endpoint: Endpoint, width: int, height: int, *, name: str) -> None:
        if max(width, height) > LARGEST_SIDE:
            raise BadSource(f"found {width} x {height} pixels; AEDAT4 has at most {LARGEST_SIDE} a side")
        self._library = camera_library("dv_processing", "dv-processing")
        self._endpoint, self._size, self._name = endpoint, (width, height), name
        self._writer: Any = None
        self._tended_s = 0.0
        self.events = self.dropped = 0

    @property
    def clients(self) -> int:
        """How many are connected."""
        return 0 if self._writer is None else int(self._writer.getClientCount())

    def send(self, events: Events) -> None:
        """Sends `events`, times not decreasing, to everybody who is connected; never waits.

        To be called at least once a second, with empty events where there are none.
        """
        now_s = time.monotonic()
        if now_s - self._tended_s >= TEND_S:
            self._tended_s = now_s
            self._tend()
        if len(events) == 0 or self.clients == 0:
            return
        if self._writer.getQueuedPacketCount() >= MOST_QUEUED:
            self.dropped += len(events)
            return
        self._writer.writeEvents(self._store(events))
        self.events += len(events)

    def drain(self, timeout_s: float) -> bool:
        """Waits until clients have what was sent, as far as the kernel tells; False after `timeout_s`."""
        until_s = time.monotonic() + timeout_s
        calm = 0
        while calm < 3 and time.monotonic() < until_s:
            busy = self._writer.getQueuedPacketCount() or any(map(_unsent_bytes, self._connections()))
            calm = 0 if busy else calm + 1
            time.sleep(LOOK_S)
        time.sleep(LINGER_S)
        return calm == 3

    def __enter__(self) -> Self:
        library, endpoint = self._library, self._endpoint
        stream = library.io.Stream.EventStream(0, STREAM_NAME, self._name, self._size)
        try:
            host = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)[0][4][0]
            self._writer = library.io.NetworkWriter(host, endpoint.port, stream, MOST_CLIENTS)
        except (OSError, UnicodeError, RuntimeError) as error:
            raise OSError(
                f"cannot listen on {endpoint}: {plain(error).partition(' [system')[0]}. Choose another port, "
                "or stop what listens there."
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        until_s = time.monotonic() + LEAVE_S
        while self.clients and time.monotonic() < until_s:
            for connection in self._connections():
                with suppress(OSError):  # it left by itself
                    connection.shutdown(socket.SHUT_RDWR)
            time.sleep(LOOK_S)
        self._writer = None

    def _tend(self) -> None:
        for connection in self._connections():
            with suppress(OSError):
                give_up_on_the_stuck(connection)
                notice_death(connection)

    def _connections(self) -> Iterator[socket.socket]:
        """Our ends of the connections to clients, each until the next is asked for."""
        for own in own_sockets():
            with suppress(OSError):  # what only listens has no peer
                own.getpeername()
                if own.getsockname()[1] == self._endpoint.port:
                    yield own

    def _store(self, events: Events) -> Any:
        # The library takes events one by one only; map over lists is its fastest way, some 2 Mev/s.
        store = self._library.EventStore()
        columns = (events.t_us, events.x, events.y, events.p.astype(bool))
        deque(map(store.push_back, *(column.tolist() for column in columns)), maxlen=0)
        return store


def _unsent_bytes(connection: socket.socket) -> int:
    """Bytes in the kernel that the other side has not acknowledged."""
    with suppress(OSError):
        answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4)
        return int(struct.unpack("i", answer)[0])
    return 0
