"""Prophesee DAT: a text header, two bytes (event type and size), then 8 bytes an event.

After the public format description: uint32 of time in microseconds (looping every 71.6 minutes), then uint32
with x in bits 0-13, y in bits 14-27 and polarity in bits 28-31; in files before version 2, x has 9 bits, y 8
and polarity one. Event types 0x00 (2D) and 0x0C (CD) have the same layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from io import BufferedReader
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.errors import BrokenRecording, UnsupportedEncoding
from streaming.events import Events
from streaming.readers.prophesee_header import read_header
from streaming.readers.recording import JITTER_US, Recording
from streaming.readers.sizes import Size, info_by_extent
from streaming.source import SourceInfo

PACKET_EVENTS = 1 << 15
EVENT_TYPES = (0x00, 0x0C)
EVENT_BYTES = 8
LOOP_US = 1 << 32


class DatRecording(Recording):
    """Reader of DAT files."""

    format = "dat"
    jitter_us = JITTER_US
    _file: BufferedReader
    _data_at: int
    _old: bool
    _offset_us: int

    def fraction(self) -> float:
        return self._file.tell() / max(1, self.path.stat().st_size)

    def _open(self, opened: ExitStack, stated: Size | None) -> SourceInfo:
        self._file = opened.enter_context(self.path.open("rb"))
        header = read_header(self._file, self.name)
        self._check_type(self._file.read(2))
        self._data_at = self._file.tell()
        self._old = header.fields.get("version", "2")[:1] in ("0", "1")
        self._offset_us = header.offset_us(self.name)
        info = header.info(self.format, stated, self.name)
        return info or info_by_extent(self.format, self._read(), self.name)

    def _check_type(self, kind: bytes) -> None:
        if len(kind) < 2:
            raise BrokenRecording(f"{self.name}: is cut off in its header; event type and size are missing")
        if kind[0] not in EVENT_TYPES or kind[1] != EVENT_BYTES:
            raise UnsupportedEncoding(
                f"{self.name}: found DAT events of type 0x{kind[0]:02x} of {kind[1]} bytes; "
                "read are types 0x00 and 0x0c of 8 bytes"
            )

    def _read(self) -> Iterator[Events]:
        self._file.seek(self._data_at)
        at, base_us, last_us = self._data_at, 0, 0
        while data := self._file.read(PACKET_EVENTS * EVENT_BYTES):
            words = np.frombuffer(data, "<u4", len(data) // EVENT_BYTES * 2).reshape(-1, 2)
            if len(words):
                t_us = _unlooped(words[:, 0], base_us, last_us)
                base_us, last_us = int(t_us[-1]) // LOOP_US * LOOP_US, int(t_us[-1])
                yield _events(t_us + self._offset_us, words[:, 1], self._old)
            at += len(data)
        rest = (at - self._data_at) % EVENT_BYTES
        if rest:
            raise BrokenRecording(
                f"{self.name}: the last event, at byte {at - rest}, has {rest} of {EVENT_BYTES} bytes; "
                "the recording was cut off there. Everything before it was read."
            )


def _unlooped(ticks: NDArray[Any], base_us: int, last_us: int) -> NDArray[np.int64]:
    """Times with their loops counted: a fall by more than half the range is a loop."""
    t_us = ticks.astype(np.int64) + base_us
    steps = np.diff(t_us, prepend=last_us)
    if steps.min() < -(LOOP_US // 2):
        t_us += np.cumsum(steps < -(LOOP_US // 2)) * LOOP_US
    return t_us


def _events(t_us: NDArray[np.int64], place: NDArray[Any], old: bool) -> Events:
    x_bits, y_bits, p_bits = (9, 8, 1) if old else (14, 14, 4)
    x = place & ((1 << x_bits) - 1)
    y = (place >> x_bits) & ((1 << y_bits) - 1)
    p = (place >> (x_bits + y_bits)) & ((1 << p_bits) - 1)
    return Events(t_us, x.astype(np.uint16), y.astype(np.uint16), p.astype(np.uint8))
