"""Prophesee RAW EVT3: 16-bit words, each changing a part of the decoder's state.

Word types (top four bits) after the public format description: 0x0 ADDR_Y, 0x2 ADDR_X (an event),
0x3 VECT_BASE_X, 0x4 VECT_12 and 0x5 VECT_8 (events by mask), 0x6 TIME_LOW, 0x8 TIME_HIGH (12 bits each).
Triggers, continued and other words are skipped. The 24 bits of time loop every 16.777216 s; a TIME_HIGH
that falls by more than half its range is a loop, by less is time running backward.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.compiled import I64, READ_U16, WRITE_I64, compiled
from streaming.readers.raw import RawRecording
from streaming.readers.words import (
    COLUMNS,
    FAULT,
    NEXT,
    NO_FAULT,
    OUTSIDE,
    OWN,
    TIME,
    UNSET,
    Columns,
    State,
    advance,
    set_fault,
)

LOOPS, HIGH, Y, BASE_X, BASE_P = OWN, OWN + 1, OWN + 2, OWN + 3, OWN + 4
ADDR_Y, ADDR_X, VECT_BASE_X, VECT_12, VECT_8, TIME_LOW, TIME_HIGH = 0x0, 0x2, 0x3, 0x4, 0x5, 0x6, 0x8
LOOP_US = 1 << 24
HALF_LOOP_TICKS = 1 << 11
"""Half the range of TIME_HIGH, whose ticks are 4 096 us."""
VECTOR = 12


class Evt3Recording(RawRecording):
    """Reader of EVT3 files."""

    format = "evt3"
    word = np.dtype("<u2")

    def _decode(self, words: NDArray[Any], state: State, columns: Columns) -> int:
        return decode_evt3(words, state, columns, self.info.width, self.info.height)


@compiled(I64, WRITE_I64, I64, I64, I64)
def _next_time(state: State, at: int, kind: int, value: int) -> int:
    """The time after a TIME_HIGH or TIME_LOW word; sets the fault where time runs backward."""
    known = int(state[HIGH])
    if kind == TIME_LOW:
        return advance(state, at, state[LOOPS] + (known << 12) + value) if known >= 0 else UNSET
    if value == known:
        return int(state[TIME])
    state[LOOPS] = max(0, state[LOOPS]) + LOOP_US * (known - value > HALF_LOOP_TICKS)
    state[HIGH] = value
    return advance(state, at, state[LOOPS] + (value << 12))


@compiled(I64, I64, I64, I64, I64)
def _columns_open(now: int, row: int, width: int, height: int) -> int:
    """Columns that an event may have: all where time and row are known and inside, else none."""
    return width if now >= 0 and 0 <= row < height else 0


@compiled(I64, WRITE_I64, I64, I64)
def _end(state: State, at: int, end: int) -> int:
    """Where decoding ends: after the word `at` where it has a fault, else at `end`."""
    return at if state[FAULT] != NO_FAULT else end


@compiled(I64, WRITE_I64, I64, I64, I64, I64, I64)
def _beyond(state: State, at: int, now: int, column: int, row: int, end: int) -> int:
    """Sets the fault of an event outside the sensor and returns where decoding ends; an event without a time
    or a row yet is no fault."""
    if now >= 0 and row >= 0:
        set_fault(state, OUTSIDE, at, column, row)
    return _end(state, at, end)


@compiled(I64, I64, I64, I64, I64, I64, I64, COLUMNS)
def _add_vector(
    mask: int,
    base: int,
    now: int,
    row: int,
    on: int,
    count: int,
    columns: Columns,
) -> int:
    """Appends an event per set bit; the columns have room for `VECTOR` more. Returns the new count."""
    t_us, x, y, p = columns
    t_us[count : count + VECTOR] = now
    y[count : count + VECTOR] = row
    p[count : count + VECTOR] = on
    for k in range(VECTOR):  # no branch on the bits: to the processor they are as good as random
        x[count] = base + k
        count += (mask >> k) & 1
    return count


@compiled(I64, READ_U16, WRITE_I64, COLUMNS, I64, I64)
def decode_evt3(
    words: NDArray[np.uint16],
    state: State,
    columns: Columns,
    width: int,
    height: int,
) -> int:
    """Decodes `words` from `state[NEXT]` on into the columns (contract: `streaming/readers/words.py`).

    Events before the first TIME_HIGH, ADDR_Y or VECT_BASE_X have no time or no place and are skipped.
    """
    t_us, x, y, p = columns
    now, row, base, on = state[TIME], state[Y], state[BASE_X], state[BASE_P]
    count, i, room = 0, int(state[NEXT]), len(t_us) - VECTOR
    limit = _columns_open(now, row, width, height)
    end = len(words)
    while 0 <= i < end and 0 <= count <= room:  # the zeros tell the compiler that no index wraps
        word = int(words[i])
        kind, value, low11 = word >> 12, word & 0xFFF, word & 0x7FF
        if kind == ADDR_X:
            if low11 < limit:
                t_us[count], x[count], y[count], p[count] = now, low11, row, value >> 11
                count += 1
            else:
                end = _beyond(state, i, now, low11, row, end)
        elif kind == ADDR_Y:
            row = low11
            limit = _columns_open(now, row, width, height)
        elif kind == VECT_BASE_X:
            base, on = low11, value >> 11
        elif kind in (VECT_12, VECT_8) and base >= 0:
            mask = value & (0xFFF >> (4 * (kind == VECT_8)))
            beyond = mask >> min(max(limit - base, 0), VECTOR)
            if beyond == 0:
                count = _add_vector(mask, base, now, row, on, count, columns)
            else:
                end = _beyond(state, i, now, max(base, limit), row, end)
            base += VECTOR - 4 * (kind == VECT_8)
        elif kind in (TIME_HIGH, TIME_LOW):
            now = _next_time(state, i, kind, value)
            end = _end(state, i, end)
            limit = _columns_open(now, row, width, height)
        i += 1
    state[NEXT], state[Y], state[BASE_X], state[BASE_P] = i, row, base, on
    return count
