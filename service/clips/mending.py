"""`mend`: makes a whole file of what a writer that died has left. Runs in a child with limits."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from pathlib import Path

from service.clips.clip import ClipFormat
from streaming.errors import BadSource
from streaming.outlet import Outlet
from streaming.span import Span

LOCK_S = 10.0
"""A process that was killed is gone by then, and with it its lock."""
WORD_BYTES = 2
HEADER_BYTES, END_OF_HEADER = 4096, b"% end\n"


def mend(
    outlet: Outlet, part: Path, events: Path, boxes_part: Path, boxes: Path, format_: ClipFormat
) -> None:
    """Cuts a clip's files to what is whole in them, and sends what is known of them.

    Args:
        outlet: gets `{events, first_t_us, last_t_us, size_bytes, answers, boxes_bytes}`.
        part, events: the file of events before and after it got its name; one of them is there.
        boxes_part, boxes: that of boxes, likewise; there may be none.
        format_: of the events.

    Raises:
        BadSource: there is none, or it is still being written.
        StreamingError: nothing of it can be read.
    """
    path = part if part.exists() else events
    if not path.exists():
        raise BadSource("nothing of it was written")
    span = _mend_events(path, format_)
    boxes_path = boxes_part if boxes_part.exists() else boxes
    outlet.send(
        {
            "events": span.events,
            "first_t_us": span.first_us,
            "last_t_us": span.last_us,
            "size_bytes": path.stat().st_size,
            "answers": _mend_lines(boxes_path) if boxes_path.exists() else 0,
            "boxes_bytes": boxes_path.stat().st_size if boxes_path.exists() else 0,
        }
    )


def _mend_events(path: Path, format_: ClipFormat) -> Span:
    from streaming.sources import open_recording

    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        _lock(fd, path.name)
        size = os.fstat(fd).st_size
        os.ftruncate(fd, _whole_evt3(fd, size) if format_ == "evt3" else _whole_aedat4(fd, size))
        span = Span()
        with open_recording(path, format=format_) as source:
            for packet in source.packets():
                span.add(packet)
        os.fsync(fd)
    finally:
        os.close(fd)
    return span


def _mend_lines(path: Path) -> int:
    """Cuts a file after its last whole line; how many of the lines are answers."""
    answers = whole = 0
    with path.open("rb+") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            answers += line.startswith(b'{"type":"detections"')
        file.truncate(whole)
    return answers


def _lock(fd: int, name: str) -> None:
    """Waits until no writer holds the file."""
    end_s = time.monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end_s:
                raise BadSource(f"{name}: its writer still holds it after {LOCK_S:g} s") from None
            time.sleep(0.05)


def _whole_evt3(fd: int, size: int) -> int:
    """Bytes up to the end of the last word that is whole, after the text that begins the file."""
    found = os.pread(fd, HEADER_BYTES, 0).find(END_OF_HEADER)
    if found < 0:
        return size
    begin = found + len(END_OF_HEADER)
    return begin + (size - begin) // WORD_BYTES * WORD_BYTES


def _whole_aedat4(fd: int, size: int) -> int:
    """Bytes up to the end of the last packet that is whole; all of a file that was finished."""
    from streaming.readers.aedat4 import MAGIC, PACKET, _table_position

    head = os.pread(fd, len(MAGIC) + 4, 0)
    if len(head) < len(MAGIC) + 4:
        return size
    (length,) = struct.unpack_from("<I", head, len(MAGIC))
    at = len(head) + int(length)
    if at <= _table_position(os.pread(fd, length, len(head))) <= size:
        return size
    while at + PACKET.size <= size:
        stream, length = PACKET.unpack(os.pread(fd, PACKET.size, at))
        if stream != 0 or length <= 0 or at + PACKET.size + length > size:
            break
        at += PACKET.size + int(length)
    return min(at, size)
