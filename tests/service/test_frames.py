"""The binary frame of pushed events."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from service.errors import BadFrame
from service.frames import HEADER_BYTES, RECORD_BYTES, check_frame, decode_frame, encode_frame
from streaming.events import Events

EVENTS = Events.of([1000, 1000, 1500], [0, 63, 5], [0, 47, 6], [0, 1, 1])


def header(magic: bytes = b"EVT0", version: int = 1, flags: int = 0, count: int = 0, base: int = 0) -> bytes:
    return struct.pack("<4sBBIq", magic, version, flags, count, base)


def record(dt: int, x: int, y: int, p: int) -> bytes:
    return struct.pack("<IHHB", dt, x, y, p)


def test_round_trip() -> None:
    frame = encode_frame(EVENTS)
    assert len(frame) == HEADER_BYTES + 3 * RECORD_BYTES == 18 + 27
    back = decode_frame(frame, 64, 48)
    for name in ("t_us", "x", "y", "p"):
        np.testing.assert_array_equal(getattr(back, name), getattr(EVENTS, name))
    assert len(decode_frame(encode_frame(Events.empty()), 64, 48)) == 0


def test_layout_is_as_documented() -> None:
    frame = header(count=1, base=-7) + record(10, 2, 3, 1)
    events = decode_frame(frame, 64, 48)
    assert [int(c[0]) for c in (events.t_us, events.x, events.y, events.p)] == [3, 2, 3, 1]


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (b"", "frame of 0 bytes"),
        (b"EVT0", "frame of 4 bytes"),
        (header(magic=b"EVT9"), "magic"),
        (header(version=2), "version 2"),
        (header(flags=1), "flags 1"),
        (header(count=1), "1 events need 27"),
        (header(count=0xFFFFFFFF), "events need"),
        (header() + b"x", "found 19 bytes"),
        (header(base=1 << 62), "base time"),
        (header(count=1) + record(0, 64, 0, 0), "x=64"),
        (header(count=1) + record(0, 0, 48, 0), "y=48"),
        (header(count=1) + record(0, 0, 0, 2), "polarity 2"),
        (header(count=2) + record(5, 0, 0, 0) + record(4, 0, 0, 0), "times that decrease"),
    ],
)
def test_bad_frames_are_refused_with_a_reason(frame: bytes, says: str) -> None:
    with pytest.raises(BadFrame, match=says):
        decode_frame(frame, 64, 48)


def test_the_header_alone_can_be_checked() -> None:
    assert check_frame(encode_frame(EVENTS)) == 3
