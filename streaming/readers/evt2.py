"""Prophesee RAW EVT2: 32-bit words, an event each.

After the public format description: type (four bits), then for 0x0 CD_OFF and 0x1 CD_ON six low bits of time,
x (11 bits) and y (11 bits); for 0x8 TIME_HIGH 28 bits of time in units of 64 us. Other types (triggers,
continued words) are skipped. The 34 bits of time loop every 4.77 hours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.compiled import I64, READ_U32, WRITE_I64, compiled
from streaming.readers.raw import RawRecording
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
    advance,
    set_fault,
)

LOOPS, HIGH = OWN, OWN + 1
TIME_HIGH = 0x8
LOOP_TICKS = 1 << 28
"""After so many ticks of 64 us TIME_HIGH begins again."""


class Evt2Recording(RawRecording):
    """Reader of EVT2 files."""

    format = "evt2"
    word = np.dtype("<u4")

    def _decode(self, words: NDArray[Any], state: State, columns: Columns) -> int:
        return decode_evt2(words, state, columns, self.info.width, self.info.height)


@compiled(I64, WRITE_I64, I64)
def next_base(state: State, high: int) -> int:
    """Time of a TIME_HIGH word in microseconds, its loops counted; EVT2 and EVT2.1 share it."""
    state[LOOPS] = max(0, state[LOOPS]) + LOOP_TICKS * (state[HIGH] - high > LOOP_TICKS // 2)
    state[HIGH] = high
    return int((state[LOOPS] + high) << 6)


@compiled(I64, READ_U32, WRITE_I64, COLUMNS, I64, I64)
def decode_evt2(
    words: NDArray[np.uint32],
    state: State,
    columns: Columns,
    width: int,
    height: int,
) -> int:
    """Decodes `words` from `state[NEXT]` on into the columns (contract: `streaming/readers/words.py`).

    Events before the first TIME_HIGH have no time and are skipped.
    """
    t_us, x, y, p = columns
    now = int(state[TIME])
    base_us = int((state[LOOPS] + state[HIGH]) << 6)
    count, i = 0, int(state[NEXT])
    while i < len(words) and count < len(t_us) and state[FAULT] == NO_FAULT:
        word = int(words[i])
        kind = word >> 28
        if kind <= 1 and now >= 0:
            found = base_us + ((word >> 22) & 63)
            if found != now:
                now = advance(state, i, found)
            column, row = (word >> 11) & 0x7FF, word & 0x7FF
            if column >= width or row >= height:
                set_fault(state, OUTSIDE, i, column, row)
            else:
                t_us[count], x[count], y[count], p[count] = now, column, row, kind
                count += state[FAULT] == NO_FAULT
        elif kind == TIME_HIGH:
            base_us = next_base(state, word & 0xFFFFFFF)
            now = advance(state, i, base_us)
        i += 1
    state[NEXT] = i
    return count
