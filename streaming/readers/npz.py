"""NPZ: one array of events, or four named like columns (`t`, `x`, `y`, `p`), each inflated as a stream.

Nothing inflates as a whole, so memory stays bounded; an archive that claims to inflate beyond
`MAX_RATIO` is refused before any of it is (deflate reaches 1 032 : 1, events some 10 : 1).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import IO, Any

from numpy.typing import NDArray

from streaming.errors import BrokenRecording, LimitExceeded, StreamingError, UnsupportedEncoding
from streaming.readers.arrays import Table, read_array_header, run_of, table_of
from streaming.readers.columns import NAMES
from streaming.readers.sizes import Size
from streaming.readers.table import TableRecording
from streaming.source import SourceInfo

MAX_MEMBERS = 1000
MAX_RATIO = 200
HARMLESS_BYTES = 1 << 24
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError)
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class NpzRecording(TableRecording):
    """Reader of NPZ files."""

    format = "npz"
    _archive: zipfile.ZipFile
    _table: Table

    def fraction(self) -> float:
        return self._rows_done / max(1, self._table.rows)

    def _open(self, opened: ExitStack, stated: Size | None) -> SourceInfo:
        try:
            self._archive = opened.enter_context(zipfile.ZipFile(self.path))
        except BROKEN as error:
            raise BrokenRecording(f"{self.name}: is no whole ZIP archive ({error})") from error
        members = self._members()
        columns = {role: member for name, member in members.items() if (role := NAMES.get(name.lower()))}
        self._table = self._joined(columns) if len(columns) == 4 else self._single(members)
        return self._sized(stated)

    def _members(self) -> dict[str, zipfile.ZipInfo]:
        """Members by array name, checked before anything inflates."""
        infos = [info for info in self._archive.infolist() if info.filename.endswith(".npy")]
        if len(infos) > MAX_MEMBERS:
            raise LimitExceeded(f"{self.name}: holds {len(infos)} arrays; {MAX_MEMBERS} are allowed")
        for info in infos:
            if info.compress_type not in METHODS or info.flag_bits & 1:
                raise UnsupportedEncoding(
                    f"{self.name}: {info.filename} is encrypted or neither stored nor deflated; "
                    "save it with numpy.savez or numpy.savez_compressed"
                )
        packed, inflated = sum(i.compress_size for i in infos), sum(i.file_size for i in infos)
        if inflated > max(HARMLESS_BYTES, packed * MAX_RATIO):
            raise LimitExceeded(
                f"{self.name}: claims to inflate from {packed} to {inflated} bytes; events never pack better "
                f"than {MAX_RATIO} : 1, so it is not opened. Save it with numpy.savez."
            )
        return {info.filename.removesuffix(".npy"): info for info in infos}

    def _joined(self, columns: Mapping[str, zipfile.ZipInfo]) -> Table:
        """One table of four one-dimensional arrays."""
        runs = []
        for member in columns.values():
            open_array = partial(self._open_member, member)
            where = f"{self.name}/{member.filename}"
            with open_array() as file:
                runs.append(run_of(read_array_header(file, where), open_array, where))
        rows = {run.count for run in runs}
        if len(rows) != 1:
            raise BrokenRecording(f"{self.name}: its columns have {sorted(rows)} rows; they must be equal")
        names = [member.filename.removesuffix(".npy") for member in columns.values()]
        return Table(runs, names, rows.pop())

    def _single(self, members: Mapping[str, zipfile.ZipInfo]) -> Table:
        """The first member that is an array of events."""
        reasons = []
        for name, info in members.items():
            open_array = partial(self._open_member, info)
            try:
                with open_array() as file:
                    return table_of(read_array_header(file, f"{self.name}/{name}"), open_array, self.name)
            except StreamingError as error:
                reasons.append(error)
        if len(reasons) == 1:
            raise reasons[0]
        raise BrokenRecording(
            f"{self.name}: holds the arrays {', '.join(members)[:200] or 'none'}; none is an array of "
            "events, and no four of them are named t, x, y and p"
        )

    def _open_member(self, info: zipfile.ZipInfo) -> IO[bytes]:
        try:
            return self._archive.open(info)
        except BROKEN as error:
            raise self._broken(error) from error

    def _blocks(self) -> Iterator[Sequence[NDArray[Any]]]:
        try:
            yield from self._table.blocks(self.name)
        except BROKEN as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> BrokenRecording:
        return BrokenRecording(
            f"{self.name}: cannot be inflated beyond row {self._rows_done} ({error}); the file is damaged. "
            "Everything before it was read."
        )

    def _names(self) -> Sequence[str] | None:
        return self._table.names
