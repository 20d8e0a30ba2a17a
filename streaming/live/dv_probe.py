"""`probe`: whether somebody serves AEDAT4 at an address, found out without the driver.

dv-processing 2.0.4 connects, reads and parses the header of the stream in one call that holds the GIL and
knows no time limit: a peer that accepts and says nothing stops the whole process there, and so does one that
sends anything else. So we look first, with a socket of our own.

A stream begins with a size (uint32, little-endian) and a FlatBuffers table of that many bytes with the file
identifier IOHE.
"""

from __future__ import annotations

import socket
import time
from typing import Final

from streaming.errors import SourceLost
from streaming.live.dv_address import Endpoint

CONNECT_S: Final = 3.0
HEADER_S: Final = 2.0
"""For the whole header; a NetworkWriter sends it as soon as it accepts."""
MOST_HEADER_BYTES: Final = 1 << 20
"""Real ones have below 1 KiB for one stream."""

_SIZE_BYTES: Final = 4
_IDENTIFIER: Final = slice(8, 12)
_HEAD_BYTES: Final = 12


def probe(endpoint: Endpoint) -> Endpoint:
    """Looks who answers; blocks for at most CONNECT_S for each address of the host, plus HEADER_S.

    Returns:
        The same place with an address for the host: the driver knows no names.

    Raises:
        SourceLost: nobody answers there, or somebody who serves no AEDAT4; the message says what was seen.
    """
    try:
        connection = socket.create_connection((endpoint.host, endpoint.port), CONNECT_S)
    except socket.gaierror as error:
        raise SourceLost(f"found no machine {endpoint.host!r} ({error.strerror})") from None
    except UnicodeError:  # a label that is empty or too long
        raise SourceLost(f"found no machine {endpoint.host!r}; no machine can have this name") from None
    except TimeoutError:
        raise SourceLost(f"{endpoint} does not answer within {CONNECT_S:g} s") from None
    except OSError as error:
        raise SourceLost(f"{endpoint} does not answer ({error.strerror})") from None
    with connection:
        address: str = connection.getpeername()[0]
        _read_header(connection, endpoint)
    return Endpoint(address, endpoint.port)


def _read_header(connection: socket.socket, endpoint: Endpoint) -> None:
    until_s = time.monotonic() + HEADER_S
    head = _receive(connection, endpoint, _HEAD_BYTES, until_s)
    size = int.from_bytes(head[:_SIZE_BYTES], "little")
    if head[_IDENTIFIER] != b"IOHE" or not _HEAD_BYTES <= size <= MOST_HEADER_BYTES:
        raise SourceLost(
            f"{endpoint} sends something that is no AEDAT4 stream; point at the TCP output of DV or of "
            "a NetworkWriter, without TLS"
        )
    _receive(connection, endpoint, _SIZE_BYTES + size - _HEAD_BYTES, until_s)


def _receive(connection: socket.socket, endpoint: Endpoint, count: int, until_s: float) -> bytes:
    """Exactly `count` bytes, until `until_s` of `time.monotonic()`."""
    received = bytearray()
    while len(received) < count:
        connection.settimeout(max(0.001, until_s - time.monotonic()))
        try:
            part = connection.recv(count - len(received))
        except TimeoutError:
            raise SourceLost(f"{endpoint} accepts connections and does not say what it sends") from None
        except OSError as error:
            raise SourceLost(f"{endpoint} broke the connection off ({error.strerror})") from None
        if not part:
            raise SourceLost(f"{endpoint} closed the connection before it said what it sends")
        received += part
    return bytes(received)
