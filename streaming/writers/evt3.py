"""Prophesee RAW EVT3 (word types: `streaming/readers/evt3.py`).

EVT3 holds 24 bits of time. Absolute times that do not fit are kept by a `% t0` line in the header, as faery
does; silences are filled with TIME_HIGH words, as sensors do, so that no decoder misses a loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streaming.compiled import I64, READ_I64, READ_U8, READ_U16, WRITE_I64, WRITE_U16, compiled
from streaming.errors import BadSource
from streaming.events import Events
from streaming.readers.evt3 import ADDR_X, ADDR_Y, LOOP_US, TIME_HIGH, TIME_LOW, VECT_12, VECT_BASE_X, VECTOR
from streaming.source import SourceInfo

MAX_SIDE = 1 << 11
MAX_SILENCE_US = 86_400_000_000
HIGH_STEP = 8
"""In a silence every eighth tick of TIME_HIGH (4 096 us) is written, and the tick before it. So the last tick
of a loop and the first of the next always stand side by side, by which other decoders know a loop."""
MIN_VECTOR = 3
"""Events of a row within `VECTOR` columns from which on a mask is shorter than single words."""
LAST_HIGH, LAST_LOW, LAST_Y = 0, 1, 2


def write_evt3(packets: Iterable[Events], info: SourceInfo, path: Path) -> None:
    """Writes packets to an EVT3 file.

    Raises:
        BadSource: a sensor of more than 2048 pixels a side, or a silence of more than a day.
    """
    if max(info.width, info.height) > MAX_SIDE:
        raise BadSource(f"found a sensor of {info.width} x {info.height}; EVT3 holds {MAX_SIDE} a side")
    state = np.full(3, -1, np.int64)
    offset_us: int | None = None
    with path.open("wb") as file:
        for events in packets:
            if len(events) == 0:
                continue
            if offset_us is None:
                offset_us = int(events.t_us[0]) // LOOP_US * LOOP_US
                file.write(_header(info, offset_us))
            file.write(_encode(events, offset_us, state).data)
        if offset_us is None:
            file.write(_header(info, 0))


def _header(info: SourceInfo, offset_us: int) -> bytes:
    lines = [
        "evt 3.0",
        f"format EVT3;height={info.height};width={info.width}",
        f"geometry {info.width}x{info.height}",
        f"t0 {offset_us}",
        "end",
    ]
    return "".join(f"% {line}\n" for line in lines).encode("ascii")


def _encode(events: Events, offset_us: int, state: NDArray[np.int64]) -> NDArray[np.uint16]:
    before_us = offset_us + max(0, int(state[LAST_HIGH])) * 4096
    silent_us = int(events.t_us[-1]) - before_us
    if silent_us > MAX_SILENCE_US:
        raise BadSource(
            f"found {silent_us} us from {before_us} us on with hardly an event; EVT3 is written for silences "
            f"of up to {MAX_SILENCE_US} us. Cut the recording."
        )
    room = 4 * len(events) + 2 * silent_us // (4096 * HIGH_STEP) + 8
    words = np.empty(room, np.uint16)
    packed = events.contiguous()
    count = encode_evt3(packed.t_us, packed.x, packed.y, packed.p, offset_us, state, words)
    return words[:count]


@compiled(I64, I64, I64, WRITE_I64, WRITE_U16)
def _put_time(t_us: int, count: int, state: NDArray[np.int64], words: NDArray[np.uint16]) -> int:
    """Appends the words that bring a decoder to `t_us`; returns the new count."""
    high, low = t_us >> 12, t_us & 0xFFF
    last = int(state[LAST_HIGH])
    if high != last:
        for step in range(last + 1 if last >= 0 else high, high):
            if (step + 1) % HIGH_STEP <= 1:
                words[count] = TIME_HIGH << 12 | step & 0xFFF
                count += 1
        words[count] = TIME_HIGH << 12 | high & 0xFFF
        count += 1
        state[LAST_HIGH], state[LAST_LOW] = high, -1
    if low != state[LAST_LOW]:
        words[count] = TIME_LOW << 12 | low
        count += 1
        state[LAST_LOW] = low
    return count


@compiled(I64, I64, I64, READ_I64, READ_U16, READ_U16, READ_U8)
def _mask_at(
    i: int,
    base: int,
    t_us: NDArray[np.int64],
    x: NDArray[np.uint16],
    y: NDArray[np.uint16],
    p: NDArray[np.uint8],
) -> int:
    """Bits of the events from `i` on that one mask from column `base` on can hold, in their order."""
    mask, first, last = 0, i, -1
    while i < len(x) and t_us[i] == t_us[first] and y[i] == y[first] and p[i] == p[first]:
        place = int(x[i]) - base
        if place <= last or place >= VECTOR:
            break
        mask |= 1 << place
        last = place
        i += 1
    return mask


@compiled(I64, I64)
def _bits(mask: int) -> int:
    """How many bits are set."""
    count = 0
    while mask:
        mask &= mask - 1
        count += 1
    return count


@compiled(I64, READ_I64, READ_U16, READ_U16, READ_U8, I64, WRITE_I64, WRITE_U16)
def encode_evt3(
    t_us: NDArray[np.int64],
    x: NDArray[np.uint16],
    y: NDArray[np.uint16],
    p: NDArray[np.uint8],
    offset_us: int,
    state: NDArray[np.int64],
    words: NDArray[np.uint16],
) -> int:
    """Encodes events into `words`, which has room for four words an event and the silences' TIME_HIGH.

    Args:
        t_us, x, y, p: columns of the events, within the stream's contract.
        offset_us: subtracted from all times.
        state: (3,) the last TIME_HIGH (not masked), TIME_LOW and row; -1 for none. Kept from call to call.
        words: (room,) filled from the start.

    Returns:
        How many words are filled.
    """
    count, i = 0, 0
    while i < len(x):
        count = _put_time(t_us[i] - offset_us, count, state, words)
        if y[i] != state[LAST_Y]:
            words[count] = ADDR_Y << 12 | y[i]
            count += 1
            state[LAST_Y] = y[i]
        base = int(x[i])
        mask = _mask_at(i, base, t_us, x, y, p)
        if _bits(mask) < MIN_VECTOR:
            words[count] = ADDR_X << 12 | p[i] << 11 | x[i]
            count += 1
            i += 1
            continue
        words[count] = VECT_BASE_X << 12 | p[i] << 11 | base
        count += 1
        row_t, row_y, row_p = t_us[i], y[i], p[i]
        while mask:
            words[count] = VECT_12 << 12 | mask
            count += 1
            i += _bits(mask)
            base += VECTOR
            same = i < len(x) and t_us[i] == row_t and y[i] == row_y and p[i] == row_p
            mask = _mask_at(i, base, t_us, x, y, p) if same else 0
    return count
