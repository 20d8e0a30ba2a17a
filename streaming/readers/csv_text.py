"""CSV and text: a row an event, separated by commas, semicolons or blanks, with or without names.

With a header line the names say which column is which, and further columns are ignored; without one the
first four columns count (`streaming/readers/columns.py`, for the unit of time too). A first line of two whole
numbers is the sensor's size, and so are names as faery writes them ("x@640"). Lines that begin with `#` are
skipped.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from io import BufferedReader
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.errors import BrokenRecording
from streaming.readers.sizes import Size, recorded_size
from streaming.readers.table import TableRecording
from streaming.readers.text_table import (
    COMMENT,
    MAX_LINE_BYTES,
    TextLayout,
    are_numbers,
    find_layout,
    split_cells,
)
from streaming.source import SourceInfo

HEAD_BYTES = 1 << 16
BLOCK_BYTES = 1 << 21
BLANKS = bytes.maketrans(b",;\t", b"   ")


class CsvRecording(TableRecording):
    """Reader of CSV and text files."""

    format = "csv"
    _file: BufferedReader
    _layout: TextLayout

    def fraction(self) -> float:
        return self._file.tell() / max(1, self.path.stat().st_size)

    def _open(self, opened: ExitStack, stated: Size | None) -> SourceInfo:
        self._file = opened.enter_context(self.path.open("rb"))
        layout = find_layout(self._file.read(HEAD_BYTES))
        if layout is None:
            raise BrokenRecording(
                f"{self.name}: its first {HEAD_BYTES} bytes hold no row of four numbers (t, x, y, p)"
            )
        if layout.names and len(layout.names) != layout.columns:
            raise BrokenRecording(
                f"{self.name}: names {len(layout.names)} columns, but its first row has {layout.columns}"
            )
        self._layout = layout
        size = layout.size and recorded_size(layout.size.width, layout.size.height, self.name)
        return self._sized(stated, size)

    def _names(self) -> Sequence[str] | None:
        return self._layout.names

    def _blocks(self) -> Iterator[Sequence[NDArray[Any]]]:
        for at, lines in self._line_blocks():
            try:
                rows = self._parse(lines)
            except ValueError as error:
                whole, fault = self._until_fault(lines, at, error)
                if len(whole):
                    yield list(whole.T)
                raise fault from error
            if len(rows):
                yield list(rows.T)

    def _line_blocks(self) -> Iterator[tuple[int, bytes]]:
        """Whole lines of about `BLOCK_BYTES`, each block with the byte at which it begins."""
        at, carry = self._layout.data_at, b""
        self._file.seek(at)
        while data := self._file.read(BLOCK_BYTES):
            end = data.rfind(b"\n") + 1
            if end == 0 and len(carry) + len(data) > MAX_LINE_BYTES:
                raise BrokenRecording(
                    f"{self.name}: the line at byte {at} is longer than {MAX_LINE_BYTES} bytes; "
                    "it is no table"
                )
            lines, carry = carry + data[:end], data[end:] if end else carry + data
            if end:
                yield at, lines
                at += len(lines)
        if carry:
            yield at, carry

    def _parse(self, lines: bytes) -> NDArray[np.float64]:
        """(rows, columns) float64: whole numbers are exact up to 2 ** 53, microseconds of 285 years."""
        if COMMENT in lines:
            kept = [line for line in lines.splitlines(keepends=True) if not line.startswith(COMMENT)]
            lines = b"".join(kept)
        if not lines.strip():
            return np.empty((0, self._layout.columns))
        rows = np.loadtxt(io.BytesIO(lines.translate(BLANKS)), comments=None, ndmin=2)
        if rows.size and rows.shape[1] != self._layout.columns:
            raise ValueError("rows of another length")
        return rows

    def _until_fault(
        self, lines: bytes, at: int, error: ValueError
    ) -> tuple[NDArray[np.float64], BrokenRecording]:
        """The rows before the first faulty line, and what is wrong with that line."""
        begin = 0
        for line in lines.splitlines(keepends=True):
            cells = split_cells(line)
            blank = not cells or line.startswith(COMMENT)
            if not blank and (len(cells) != self._layout.columns or not are_numbers(cells)):
                return self._parse(lines[:begin]), BrokenRecording(
                    f"{self.name}: the line at byte {at + begin} is {line[:60]!r}; a row is "
                    f"{self._layout.columns} numbers. Everything before it was read."
                )
            begin += len(line)
        return np.empty((0, self._layout.columns)), BrokenRecording(
            f"{self.name}: rows from byte {at} on cannot be read ({str(error)[:120]})"
        )
