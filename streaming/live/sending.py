"""`UdpSender`: events out as datagrams, for `udp://` sources and for faery."""

from __future__ import annotations

import socket
from typing import Self

from streaming.errors import BadSource
from streaming.events import Events
from streaming.live.datagrams import Layout
from streaming.live.udp_address import parse_udp


class UdpSender:
    """Sends events; nobody answers, and nobody may be listening.

    Args:
        host: name or address of the receiver.
        port: of the receiver, 1..65535.
        layout: how events lie in a datagram (`streaming.live.datagrams.LAYOUTS`).

    Attributes:
        datagrams, events: sent so far.
        unheard: of `datagrams`, those that the receiver's machine said nobody listens for.

    Raises:
        BadSource: no machine of that name.
    """

    def __init__(self, host: str, port: int, layout: Layout) -> None:
        try:
            family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        except OSError as error:
            raise BadSource(f"found no machine {host!r} to send to ({error.strerror})") from None
        self._socket = socket.socket(family, kind, protocol)
        self._socket.connect(place)
        self._layout = layout
        self.datagrams = self.events = self.unheard = 0

    def send(self, events: Events) -> None:
        """Sends `events`, times not decreasing, in as few datagrams as fit an Ethernet."""
        for datagram in self._layout.datagrams(events):
            try:
                self._socket.send(datagram)
            except ConnectionRefusedError:  # said of one of the datagrams before
                self.unheard += 1
            self.datagrams += 1
        self.events += len(events)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def open_sender(uri: str) -> UdpSender:
    """The sender to `udp://host:port?format=faery`.

    Raises:
        BadSource: as `streaming.live.udp_address.parse_udp`, no host, or no machine of that name.
    """
    address = parse_udp(uri)
    if not address.host:
        raise BadSource(f"{uri}: found no receiver; say its name or address: udp://127.0.0.1:{address.port}")
    return UdpSender(address.host, address.port, address.layout)
