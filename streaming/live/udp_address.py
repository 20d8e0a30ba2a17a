"""`UdpAddress`: what a udp:// URI says, for those who listen and those who send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streaming.errors import BadSource
from streaming.live.datagrams import LAYOUTS, Layout
from streaming.live.query import options_of, split_uri, whole_number

LARGEST_SIDE: Final = 65_535


@dataclass(frozen=True, slots=True)
class UdpAddress:
    """What a udp:// URI says.

    Attributes:
        host: name or address; empty for all of this machine's.
        port: 1..65535.
        layout: how events lie in a datagram.
        width, height: size of the sensor, pixels; None where the URI does not say.
    """

    host: str
    port: int
    layout: Layout
    width: int | None
    height: int | None


def parse_udp(uri: str) -> UdpAddress:
    """What a udp:// URI says. Raises `BadSource` as `open_udp`, but not for a missing size."""
    parts = split_uri(uri)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme != "udp" or not port or parts.path not in ("", "/") or parts.username is not None:
        raise BadSource(f"{uri}: found no address of the form udp://:PORT or udp://HOST:PORT, PORT 1..65535")
    options = options_of(uri, ("width", "height", "format"))
    name = options.get("format", "evt0")
    if name not in LAYOUTS:
        raise BadSource(f"{uri}: found format={name}; allowed are {', '.join(LAYOUTS)}. Change it.")
    sides = (
        whole_number(uri, side, options[side], 1, LARGEST_SIDE) if side in options else None
        for side in ("width", "height")
    )
    return UdpAddress(parts.hostname or "", port, LAYOUTS[name], *sides)
