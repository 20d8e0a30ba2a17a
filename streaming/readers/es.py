"""Event Stream (.es), version 2, DVS events.

After the public specification: 16 bytes of magic, version and type, width and height (uint16), then bytes:
0xFF adds 127 us, 0xFE resets the state machine and means nothing between events; any other byte begins an
event (seven bits of time since the last event, one of polarity) and x and y follow as uint16. Rows count from
the bottom; here they count from the top.
"""

from __future__ import annotations

import struct
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.compiled import I64, READ_U8, WRITE_I64, compiled
from streaming.errors import BrokenRecording, UnsupportedEncoding
from streaming.readers.sizes import Size, recorded_size
from streaming.readers.words import (
    COLUMNS,
    FAULT,
    NEXT,
    NO_FAULT,
    OUTSIDE,
    OWN,
    TIME,
    Columns,
    State,
    WordRecording,
    set_fault,
)
from streaming.source import SourceInfo

HEADER = struct.Struct("<12s3BBHH")
DVS = 1
TYPES = {0: "generic", 1: "DVS", 2: "ATIS", 3: "display", 4: "color"}
PART, BITS = OWN, OWN + 1
"""Which byte of an event comes next (0: none is begun); its polarity, and from `BITS + 1` its four bytes."""


class EsRecording(WordRecording):
    """Reader of Event Stream files."""

    format = "es"
    word = np.dtype("u1")
    _begun = 0

    def _open(self, opened: ExitStack, stated: Size | None) -> SourceInfo:
        head = self._open_file(opened).read(HEADER.size)
        if len(head) < 16:
            raise BrokenRecording(f"{self.name}: has {len(head)} bytes; an Event Stream header takes 20")
        major, minor, kind = head[12], head[13], head[15]
        if major != 2:
            raise UnsupportedEncoding(f"{self.name}: found Event Stream {major}.{minor}; read is version 2")
        if kind != DVS:
            raise UnsupportedEncoding(
                f"{self.name}: found Event Stream events of type {TYPES.get(kind, kind)}; read are DVS "
                "events. Convert it, for example with faery."
            )
        if len(head) < HEADER.size:
            raise BrokenRecording(f"{self.name}: its header is cut off at byte {len(head)} of {HEADER.size}")
        *_, width, height = HEADER.unpack(head)
        size = recorded_size(width, height, self.name)
        return SourceInfo(self.format, size.width, size.height)

    def _decode(self, words: NDArray[Any], state: State, columns: Columns) -> int:
        count = decode_es(words, state, columns, self.info.width, self.info.height)
        self._begun = int(state[PART])
        return count

    def _check_tail(self, end: int) -> None:
        if self._begun:
            raise BrokenRecording(
                f"{self.name}: the last event, at byte {end - self._begun}, has {self._begun} of 5 bytes; "
                "the recording was cut off there. Everything before it was read."
            )


@compiled(I64, READ_U8, WRITE_I64, COLUMNS, I64, I64)
def decode_es(
    words: NDArray[np.uint8],
    state: State,
    columns: Columns,
    width: int,
    height: int,
) -> int:
    """Decodes bytes from `state[NEXT]` on into the columns (contract: `streaming/readers/words.py`)."""
    t_us, x, y, p = columns
    now, part = max(0, int(state[TIME])), max(0, int(state[PART]))
    count, i = 0, int(state[NEXT])
    while i < len(words) and count < len(t_us) and state[FAULT] == NO_FAULT:
        byte = int(words[i])
        if part > 0:
            state[BITS + part] = byte
            part += 1
        elif byte == 0xFF:
            now += 127
        elif byte != 0xFE:
            now += byte >> 1
            state[BITS] = byte & 1
            part = 1
        if part == 5:
            part = 0
            column = state[BITS + 1] | (state[BITS + 2] << 8)
            row = height - 1 - (state[BITS + 3] | (state[BITS + 4] << 8))
            if column >= width or row < 0:
                set_fault(state, OUTSIDE, i, column, row)
            else:
                t_us[count], x[count], y[count], p[count] = now, column, row, state[BITS]
                count += 1
        i += 1
    state[NEXT], state[TIME], state[PART] = i, now, part
    return count
