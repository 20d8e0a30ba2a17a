"""The binary frame of pushed events: one pack of `streaming/packed.py`, its errors as ours."""

from __future__ import annotations

from service.errors import BadFrame
from streaming.errors import BrokenRecording
from streaming.events import Events
from streaming.packed import HEADER_BYTES, RECORD_BYTES, pack, read_header, unpack

__all__ = ["HEADER_BYTES", "RECORD_BYTES", "check_frame", "decode_frame", "encode_frame"]

encode_frame = pack


def check_frame(frame: bytes) -> int:
    """Number of events that a frame's header states.

    Raises:
        BadFrame: wrong magic, version or flags, or a length that is not that of the stated records.
    """
    try:
        return read_header(frame)[0]
    except BrokenRecording as error:
        raise BadFrame(str(error)) from None


def decode_frame(frame: bytes, width: int, height: int) -> Events:
    """The events of a frame.

    Raises:
        BadFrame: as `check_frame`, or times decrease, or an event lies outside `width` x `height`, or a
            polarity is neither 0 nor 1.
    """
    try:
        return unpack(frame, width, height)
    except BrokenRecording as error:
        raise BadFrame(str(error)) from None
