"""The binary frame of pushed events: a little-endian header, then packed records.

::

    magic "EVT0" | version u8 = 1 | flags u8 = 0 | count u32 | base_us i64
    count x (dt_us u32, x u16, y u16, p u8)
"""

from __future__ import annotations

import struct

import numpy as np

from service.errors import BadFrame
from streaming.events import Events

MAGIC = b"EVT0"
VERSION = 1
_HEADER = struct.Struct("<4sBBIq")
HEADER_BYTES = _HEADER.size
RECORD = np.dtype([("dt", "<u4"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
RECORD_BYTES = RECORD.itemsize
FARTHEST_US = 1 << 60


def encode_frame(events: Events) -> bytes:
    """Events of at most 71 minutes as one frame."""
    base_us = int(events.t_us[0]) if len(events) else 0
    records = np.empty(len(events), RECORD)
    records["dt"], records["x"], records["y"], records["p"] = (
        events.t_us - base_us,
        events.x,
        events.y,
        events.p,
    )
    return _HEADER.pack(MAGIC, VERSION, 0, len(events), base_us) + records.tobytes()


def check_frame(frame: bytes) -> int:
    """Number of events that a frame's header states.

    Raises:
        BadFrame: wrong magic, version or flags, or a length that is not that of the stated records.
    """
    if len(frame) < HEADER_BYTES:
        raise BadFrame(f"found a frame of {len(frame)} bytes; a header alone has {HEADER_BYTES}")
    magic, version, flags, count, base_us = _HEADER.unpack_from(frame)
    if magic != MAGIC:
        raise BadFrame(f"found the magic {magic!r}; an events frame begins with {MAGIC!r}")
    if version != VERSION or flags != 0:
        raise BadFrame(f"found version {version} and flags {flags}; known are version {VERSION} and flags 0")
    expected = HEADER_BYTES + count * RECORD_BYTES
    if len(frame) != expected:
        raise BadFrame(f"found {len(frame)} bytes; {count} events need {expected}")
    if abs(base_us) > FARTHEST_US:
        raise BadFrame(f"found the base time {base_us} us; times must lie within +-{FARTHEST_US} us")
    return int(count)


def decode_frame(frame: bytes, width: int, height: int) -> Events:
    """The events of a frame.

    Raises:
        BadFrame: as `check_frame`, or times decrease, or an event lies outside `width` x `height`, or a
            polarity is neither 0 nor 1.
    """
    check_frame(frame)
    base_us = _HEADER.unpack_from(frame)[4]
    records = np.frombuffer(frame, RECORD, offset=HEADER_BYTES)
    if len(records):
        _check_records(records, width, height)
    t_us = records["dt"].astype(np.int64) + base_us
    return Events.of(t_us, records["x"], records["y"], records["p"])


def _check_records(records: np.ndarray[tuple[int], np.dtype[np.void]], width: int, height: int) -> None:
    x, y, p = (int(records[name].max()) for name in ("x", "y", "p"))
    if x >= width or y >= height:
        raise BadFrame(f"found an event at x={x}, y={y} outside the {width} x {height} sensor")
    if p > 1:
        raise BadFrame(f"found polarity {p}; polarity is 0 (OFF) or 1 (ON)")
    if (records["dt"][1:] < records["dt"][:-1]).any():
        raise BadFrame("found times that decrease within a frame; events must come in time order")
