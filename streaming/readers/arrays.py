"""Arrays in the NPY format, read as tables of four columns, block by block, from a file or a ZIP member."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streaming.errors import BrokenRecording, UnsupportedEncoding
from streaming.events import MAX_PACKET_EVENTS
from streaming.readers.columns import NAMES, roles_by_name

MAX_HEADER_BYTES = 10_000
MAX_ROW_BYTES = 256
MAX_BYTES = 1 << 50

OpenArray: TypeAlias = Callable[[], IO[bytes]]
"""Opens the bytes of an NPY array anew, from their beginning."""


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """Type, shape and place of the data of an NPY array."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    data_at: int


@dataclass(frozen=True, slots=True)
class Run:
    """`count` items of one type, back to back from byte `at` of an array's bytes."""

    open_array: OpenArray
    at: int
    dtype: np.dtype[Any]
    count: int


def read_array_header(file: IO[bytes], where: str) -> ArrayHeader:
    """The header of the NPY array that begins at the start of `file`.

    Raises:
        BrokenRecording: it is no such header, or longer than any real one.
        UnsupportedEncoding: a version other than 1.0 and 2.0, or an array of Python objects.
    """
    head = file.read(12)
    version = tuple(head[6:8])
    if version not in ((1, 0), (2, 0)):
        raise UnsupportedEncoding(f"{where}: found NPY version {version}; read are 1.0 and 2.0")
    length_format = "<H" if version == (1, 0) else "<I"
    try:
        (length,) = struct.unpack_from(length_format, head, 8)
    except struct.error as error:
        raise BrokenRecording(f"{where}: the NPY header is cut off") from error
    if length > MAX_HEADER_BYTES:
        raise BrokenRecording(
            f"{where}: its NPY header claims {length} bytes; {MAX_HEADER_BYTES} are allowed"
        )
    file.seek(8)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = read(file)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise BrokenRecording(f"{where}: its NPY header cannot be read: {str(error)[:120]}") from error
    _check(dtype, shape, where)
    return ArrayHeader(dtype, shape, fortran, file.tell())


def _check(dtype: np.dtype[Any], shape: tuple[int, ...], where: str) -> None:
    if dtype.hasobject:
        raise UnsupportedEncoding(
            f"{where}: holds Python objects (a pickle), which are never opened. "
            "Save the events as numbers: np.save(path, array, allow_pickle=False)."
        )
    if any(side < 0 for side in shape):
        raise BrokenRecording(f"{where}: its NPY header states the shape {shape}; sides are 0 or more")
    if not 1 <= dtype.itemsize <= MAX_ROW_BYTES:
        raise BrokenRecording(
            f"{where}: a row takes {dtype.itemsize} bytes; 1 to {MAX_ROW_BYTES} are allowed"
        )
    if math.prod(shape) * dtype.itemsize > MAX_BYTES:
        raise BrokenRecording(f"{where}: its NPY header states the shape {shape}; no file is that large")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of at least four columns.

    Attributes:
        runs: one run of rows (structured, or sub-arrays of four), or one run for each column.
        names: names of the columns, None where they have none.
        rows: how many.
    """

    runs: Sequence[Run]
    names: Sequence[str] | None
    rows: int

    def blocks(self, where: str) -> Iterator[list[NDArray[Any]]]:
        """Columns of up to `MAX_PACKET_EVENTS` rows at a time.

        Raises:
            BrokenRecording: the data ends before the shape says, after all whole rows.
        """
        files = [_open_at(run) for run in self.runs]
        try:
            done = 0
            while done < self.rows:
                wanted = min(MAX_PACKET_EVENTS, self.rows - done)
                parts = [_take(file, run.dtype, wanted) for file, run in zip(files, self.runs, strict=True)]
                whole = min(len(part) for part in parts)
                if whole:
                    yield _columns([part[:whole] for part in parts])
                done += whole
                if whole < wanted:
                    raise self._cut(done, where)
        finally:
            for file in files:
                file.close()

    def _cut(self, done: int, where: str) -> BrokenRecording:
        at = self.runs[-1].at + done * self.runs[-1].dtype.itemsize
        return BrokenRecording(
            f"{where}: states {self.rows} rows, but its data ends at row {done}, byte {at}; the file was cut "
            "off there or its header is forged. Everything before it was read."
        )


def table_of(header: ArrayHeader, open_array: OpenArray, where: str) -> Table:
    """An array as a table: one-dimensional and structured, (N, 4) or (4, N), in either memory order.

    Raises:
        BrokenRecording: an array of another shape, or without the four fields.
    """
    dtype, shape, at = header.dtype, header.shape, header.data_at
    if dtype.names and len(shape) == 1:
        if roles_by_name(dtype.names) is None:
            raise BrokenRecording(
                f"{where}: has the fields {', '.join(dtype.names)[:120]}; events need time, x, y and "
                f"polarity, named for example {', '.join(list(NAMES)[:4])}, x, y, p, polarity"
            )
        return Table([Run(open_array, at, dtype, shape[0])], dtype.names, shape[0])
    if len(shape) != 2 or 4 not in shape or dtype.kind not in "biuf":
        raise BrokenRecording(
            f"{where}: holds an array of shape {shape} of {dtype}; events are a structured array of fields "
            "t, x, y, p or an N x 4 array of columns t, x, y, p"
        )
    by_rows = shape[1] == 4
    rows = shape[0] if by_rows else shape[1]
    if by_rows == (not header.fortran):
        return Table([Run(open_array, at, np.dtype((dtype, (4,))), rows)], None, rows)
    stride = rows * dtype.itemsize
    return Table([Run(open_array, at + k * stride, dtype, rows) for k in range(4)], None, rows)


def run_of(header: ArrayHeader, open_array: OpenArray, where: str) -> Run:
    """A one-dimensional array of numbers as one column.

    Raises:
        BrokenRecording: an array of another shape or type.
    """
    if len(header.shape) != 1 or header.dtype.kind not in "biuf":
        raise BrokenRecording(
            f"{where}: holds an array of shape {header.shape} of {header.dtype}; a column is a row of numbers"
        )
    return Run(open_array, header.data_at, header.dtype, header.shape[0])


def _open_at(run: Run) -> IO[bytes]:
    file = run.open_array()
    file.seek(run.at)
    return file


def _take(file: IO[bytes], dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    """Up to `count` whole items; fewer at the end of the data."""
    data = file.read(count * dtype.itemsize)
    base, shape = dtype.subdtype or (dtype, ())
    items = np.frombuffer(data, base, len(data) // dtype.itemsize * (dtype.itemsize // base.itemsize))
    return items.reshape(-1, *shape)


def _columns(parts: list[NDArray[Any]]) -> list[NDArray[Any]]:
    if len(parts) > 1:
        return parts
    (rows,) = parts
    if rows.dtype.names:
        return [rows[name] for name in rows.dtype.names]
    return [rows[:, k] for k in range(rows.shape[1])]
