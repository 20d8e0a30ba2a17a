"""`WordRecording`: files of equal words that a compiled kernel decodes, block by block.

A kernel takes a block of words and the decoder's state and fills columns until the block or the columns are
exhausted. It never indexes past either, checks every coordinate and every time, and stops at the first
fault, which it describes in the state. So a word split over two blocks or two packets costs nothing, and
what was whole before a fault is not lost.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from io import BufferedReader
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numba import types
from numpy.typing import NDArray

from streaming.compiled import I64, WRITE_I64, WRITE_U8, WRITE_U16, compiled
from streaming.errors import BrokenRecording, StreamingError
from streaming.events import Events, backward_time, outside_sensor
from streaming.readers.recording import JITTER_US, Recording

BLOCK_BYTES = 1 << 17
PACKET_EVENTS = 1 << 16
"""Small enough that a packet is still in the cache when it is stepped, large enough to be worth a call."""

State: TypeAlias = NDArray[np.int64]
Columns: TypeAlias = tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint8]]

STATE_SIZE = 12
NEXT, FAULT, FAULT_AT, FOUND, LIMIT, TIME = range(6)
"""Slots of the state that all kernels share: the first word not consumed; the fault, the index of its word
and two values to tell of it; the newest time in microseconds. Slots from `OWN` on are the kernel's own. All
but the fault begin as `UNSET`."""
OWN = 6
UNSET = -1

NO_FAULT, OUTSIDE, BACKWARD = 0, 1, 2
"""Faults: an event at x=`FOUND`, y=`LIMIT` outside the sensor; a step back from time `LIMIT` to `FOUND`."""

COLUMNS = types.Tuple((WRITE_I64, WRITE_U16, WRITE_U16, WRITE_U8))  # type: ignore[no-untyped-call]  # no stubs
"""Numba type of the columns t_us, x, y, p that a kernel fills."""


class WordRecording(Recording):
    """A header, then words of one type up to the end of the file.

    Attributes:
        offset_us: microseconds to add to the times of the words.
    """

    word: ClassVar[np.dtype[Any]]
    offset_us = 0
    _file: BufferedReader
    _data_at: int
    _size: int

    def packets(self) -> Iterator[Events]:
        """As `Recording.packets`; the kernel has checked the events already."""
        return self._read()

    def fraction(self) -> float:
        return self._file.tell() / max(1, self._size)

    def _open_file(self, opened: ExitStack) -> BufferedReader:
        self._file = opened.enter_context(self.path.open("rb"))
        self._size = self.path.stat().st_size
        return self._file

    def _read(self) -> Iterator[Events]:
        state = np.full(STATE_SIZE, UNSET, np.int64)
        state[FAULT] = NO_FAULT
        self._data_at = at = self._file.tell()
        buffer = bytearray(BLOCK_BYTES)
        while filled := self._file.readinto(buffer):
            words = np.frombuffer(buffer, self.word, filled // self.word.itemsize)
            yield from self._decode_block(words, at, state)
            at += filled
        self._check_tail(at)

    def _decode_block(self, words: NDArray[Any], at: int, state: State) -> Iterator[Events]:
        state[NEXT] = 0
        while state[NEXT] < len(words):
            columns = _empty_columns()
            count = self._decode(words, state, columns)
            if count:
                yield self._packet(columns, count)
            if state[FAULT] != NO_FAULT:
                raise self._fault(state, at + int(state[FAULT_AT]) * self.word.itemsize)

    def _packet(self, columns: Columns, count: int) -> Events:
        t_us, x, y, p = columns
        if self.offset_us:
            t_us = t_us + self.offset_us
        return Events(t_us[:count], x[:count], y[:count], p[:count])

    @abstractmethod
    def _decode(self, words: NDArray[Any], state: State, columns: Columns) -> int:
        """Calls the kernel, which goes on at `state[NEXT]`; returns how many events are in `columns`."""

    def _fault(self, state: State, at: int) -> StreamingError:
        found, limit = int(state[FOUND]), int(state[LIMIT])
        where, note = f"{self.name}: ", f" at byte {at}"
        if state[FAULT] == BACKWARD:
            return backward_time(limit + self.offset_us, found + self.offset_us, where=where, note=note)
        return outside_sensor(found, limit, self.info.width, self.info.height, where=where, note=note)

    def _check_tail(self, end: int) -> None:
        rest = (end - self._data_at) % self.word.itemsize
        if rest:
            raise BrokenRecording(
                f"{self.name}: the last word, at byte {end - rest}, has {rest} of {self.word.itemsize} "
                "bytes; the recording was cut off there. Everything before it was read."
            )


@compiled(types.void, WRITE_I64, I64, I64, I64, I64)
def set_fault(state: State, fault: int, at: int, found: int, limit: int) -> None:
    """Describes the first fault of a block; `at` is the index of its word."""
    state[FAULT], state[FAULT_AT], state[FOUND], state[LIMIT] = fault, at, found, limit


@compiled(I64, WRITE_I64, I64, I64)
def advance(state: State, at: int, found: int) -> int:
    """The newest time after a word says `found`: never earlier than before; a step back beyond the sensor's
    jitter is a fault."""
    now = int(state[TIME])
    if found + JITTER_US < now:
        set_fault(state, BACKWARD, at, found, now)
    newest = max(now, found)
    state[TIME] = newest
    return newest


def _empty_columns() -> Columns:
    return (
        np.empty(PACKET_EVENTS, np.int64),
        np.empty(PACKET_EVENTS, np.uint16),
        np.empty(PACKET_EVENTS, np.uint16),
        np.empty(PACKET_EVENTS, np.uint8),
    )
