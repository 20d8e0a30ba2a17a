"""Events packed for the way: a little-endian header, then records.

::

    magic "EVT0" | version u8 = 1 | flags u8 = 0 | count u32 | base_us i64
    count x (dt_us u32, x u16, y u16, p u8)

docs/messages.md describes it for clients; a WebSocket frame and a UDP datagram hold the same.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from streaming.errors import BrokenRecording
from streaming.events import Events

MAGIC: Final = b"EVT0"
VERSION: Final = 1
_HEADER: Final = struct.Struct("<4sBBIq")
HEADER_BYTES: Final = _HEADER.size
RECORD: Final = np.dtype([("dt", "<u4"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
RECORD_BYTES: Final = RECORD.itemsize
FARTHEST_US: Final = 1 << 60
LONGEST_US: Final = (1 << 32) - 1
"""Most time from the first to the last event that one pack can hold: 71 minutes."""


def pack(events: Events) -> bytes:
    """Events of at most LONGEST_US as one pack."""
    base_us = int(events.t_us[0]) if len(events) else 0
    records = np.empty(len(events), RECORD)
    records["dt"], records["x"], records["y"], records["p"] = (
        events.t_us - base_us,
        events.x,
        events.y,
        events.p,
    )
    return _HEADER.pack(MAGIC, VERSION, 0, len(events), base_us) + records.tobytes()


def read_header(packed: bytes) -> tuple[int, int]:
    """Number of events that a pack's header states, and their base time, microseconds.

    Raises:
        BrokenRecording: wrong magic, version or flags, or a length that is not that of the stated records.
    """
    if len(packed) < HEADER_BYTES:
        raise BrokenRecording(f"found a frame of {len(packed)} bytes; a header alone has {HEADER_BYTES}")
    magic, version, flags, count, base_us = _HEADER.unpack_from(packed)
    if magic != MAGIC:
        raise BrokenRecording(f"found the magic {magic!r}; an events frame begins with {MAGIC!r}")
    if version != VERSION or flags != 0:
        raise BrokenRecording(
            f"found version {version} and flags {flags}; known are version {VERSION} and flags 0"
        )
    expected = HEADER_BYTES + count * RECORD_BYTES
    if len(packed) != expected:
        raise BrokenRecording(f"found {len(packed)} bytes; {count} events need {expected}")
    if abs(base_us) > FARTHEST_US:
        raise BrokenRecording(f"found the base time {base_us} us; times must lie within +-{FARTHEST_US} us")
    return int(count), int(base_us)


def unpack(packed: bytes, width: int, height: int) -> Events:
    """The events of a pack.

    Raises:
        BrokenRecording: as `read_header`, or times decrease, or an event lies outside `width` x `height`, or
            a polarity is neither 0 nor 1.
    """
    _, base_us = read_header(packed)
    records = np.frombuffer(packed, RECORD, offset=HEADER_BYTES)
    if len(records):
        _check_records(records, width, height)
    t_us = records["dt"].astype(np.int64) + base_us
    return Events.of(t_us, records["x"], records["y"], records["p"])


def _check_records(records: np.ndarray[tuple[int], np.dtype[np.void]], width: int, height: int) -> None:
    x, y, p = (int(records[name].max()) for name in ("x", "y", "p"))
    if x >= width or y >= height:
        raise BrokenRecording(f"found an event at x={x}, y={y} outside the {width} x {height} sensor")
    if p > 1:
        raise BrokenRecording(f"found polarity {p}; polarity is 0 (OFF) or 1 (ON)")
    if (records["dt"][1:] < records["dt"][:-1]).any():
        raise BrokenRecording("found times that decrease within a frame; events must come in time order")
