"""Prophesee RAW EVT2.1: 64-bit words, up to 32 events of a row each.

After the public format description: type (four bits; 0x0 EVT_NEG, 0x1 EVT_POS, 0x8 TIME_HIGH), six low bits
of time, x of the first column (11 bits), y (11 bits), and a mask of 32 columns; for TIME_HIGH 28 bits of time
in units of 64 us. Other types are skipped. Two orders of the halves exist: `endianness=legacy` (Gen4.1,
IMX636) has the mask in the upper half, `little` (GenX320) in the lower one. Where the header does not tell,
the half that holds word types is found by looking: only six of sixteen types exist.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.compiled import I64, READ_U64, WRITE_I64, compiled
from streaming.readers.evt2 import HIGH, LOOPS, TIME_HIGH, next_base
from streaming.readers.raw import RawRecording
from streaming.readers.words import (
    COLUMNS,
    FAULT,
    NEXT,
    NO_FAULT,
    OUTSIDE,
    TIME,
    Columns,
    State,
    advance,
    set_fault,
)

VECTOR = 32
KINDS = (0x0, 0x1, 0x8, 0xA, 0xE, 0xF)


class Evt21Recording(RawRecording):
    """Reader of EVT2.1 files."""

    format = "evt21"
    word = np.dtype("<u8")
    _mask_above: bool | None = None

    def _decode(self, words: NDArray[Any], state: State, columns: Columns) -> int:
        if self._mask_above is None:
            self._mask_above = self._is_legacy(words)
        size = self.info.width, self.info.height
        return decode_evt21(words, state, columns, *size, int(self._mask_above))

    def _is_legacy(self, words: NDArray[Any]) -> bool:
        stated = self.header.fields.get("endianness")
        if stated:
            return stated.lower() == "legacy"
        above, below = words >> np.uint64(60), (words >> np.uint64(28)) & np.uint64(0xF)
        return int(np.isin(below, KINDS).sum()) > int(np.isin(above, KINDS).sum())


@compiled(I64, I64, I64, I64, I64, I64, I64, COLUMNS)
def _add_mask(
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
    for k in range(VECTOR):
        if (mask >> k) & 1:
            t_us[count], x[count], y[count], p[count] = now, base + k, row, on
            count += 1
    return count


@compiled(I64, READ_U64, WRITE_I64, COLUMNS, I64, I64, I64)
def decode_evt21(
    words: NDArray[np.uint64],
    state: State,
    columns: Columns,
    width: int,
    height: int,
    mask_above: int,
) -> int:
    """Decodes `words` from `state[NEXT]` on into the columns (contract: `streaming/readers/words.py`).

    Events before the first TIME_HIGH have no time and are skipped.
    """
    now = int(state[TIME])
    base_us = int((state[LOOPS] + state[HIGH]) << 6)
    count, i, room = 0, int(state[NEXT]), len(columns[0]) - VECTOR
    while i < len(words) and count <= room and state[FAULT] == NO_FAULT:
        above, below = int(words[i] >> np.uint64(32)), int(words[i] & np.uint64(0xFFFFFFFF))
        head, mask = (below, above) if mask_above else (above, below)
        kind = head >> 28
        if kind <= 1 and now >= 0:
            now = advance(state, i, base_us + ((head >> 22) & 63))
            column, row = (head >> 11) & 0x7FF, head & 0x7FF
            beyond = mask >> min(max(width - column, 0), VECTOR)
            if row >= height or beyond:
                set_fault(state, OUTSIDE, i, max(column, width), row)
            elif state[FAULT] == NO_FAULT:
                count = _add_mask(mask, column, now, row, kind, count, columns)
        elif kind == TIME_HIGH:
            base_us = next_base(state, head & 0xFFFFFFF)
            now = advance(state, i, base_us)
        i += 1
    state[NEXT] = i
    return count
