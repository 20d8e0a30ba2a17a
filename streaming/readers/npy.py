"""NPY: a structured array with time, x, y and polarity, or N x 4 columns (`streaming/readers/columns.py`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import IO, Any

from numpy.typing import NDArray

from streaming.readers.arrays import Table, read_array_header, table_of
from streaming.readers.sizes import Size
from streaming.readers.table import TableRecording
from streaming.source import SourceInfo


class NpyRecording(TableRecording):
    """Reader of NPY files. It reads blocks instead of mapping the file: a map of a large file would count
    against the address space of a limited process, and a file cut while mapped would kill it."""

    format = "npy"
    _table: Table

    def fraction(self) -> float:
        return self._rows_done / max(1, self._table.rows)

    def _open(self, opened: ExitStack, stated: Size | None) -> SourceInfo:
        with self._open_array() as file:
            self._table = table_of(read_array_header(file, self.name), self._open_array, self.name)
        return self._sized(stated)

    def _open_array(self) -> IO[bytes]:
        return self.path.open("rb")

    def _blocks(self) -> Iterator[Sequence[NDArray[Any]]]:
        return self._table.blocks(self.name)

    def _names(self) -> Sequence[str] | None:
        return self._table.names
