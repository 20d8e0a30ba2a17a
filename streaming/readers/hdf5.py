"""HDF5 by h5py: the plain Prophesee layout (`CD/events`) and the DSEC layout (`events/t`, `x`, `y`, `p`).

In the DSEC layout `t_offset` (microseconds) is added to the times; `events/width` and `events/height` are the
size where they are there. Filters are those of HDF5 and hdf5plugin
(gzip, blosc, zstd, lz4 and others); Prophesee's ECF codec is recognised and refused. Nothing outside the file
is opened: external links, external storage and virtual datasets are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from streaming.errors import BrokenRecording
from streaming.events import MAX_PACKET_EVENTS
from streaming.readers.columns import NAMES, roles_by_name
from streaming.readers.hdf5_checks import check_columns, follow
from streaming.readers.recording import JITTER_US
from streaming.readers.sizes import Size, recorded_size, sensor_named_in
from streaming.readers.table import TableRecording
from streaming.source import SourceInfo

PLACES = ("CD/events", "events", "/")
SENSOR_KEYS = ("sensor_name", "generation", "sensor_generation", "plugin_name")
BROKEN = (OSError, KeyError, ValueError, TypeError, RuntimeError, OverflowError, MemoryError, AttributeError)
"""What h5py raises on damaged files."""


class Hdf5Recording(TableRecording):
    """Reader of HDF5 files."""

    format = "hdf5"
    jitter_us = JITTER_US
    _file: Any
    _columns: dict[str, Any]
    _rows: int
    _offset_us: int

    def fraction(self) -> float:
        return self._rows_done / max(1, self._rows)

    def _open(self, opened: ExitStack, stated: Size | None) -> SourceInfo:
        try:
            self._file = opened.enter_context(h5py.File(self.path, "r", locking=False))
            self._columns = self._find_columns()
            self._rows = check_columns(list(self._columns.values()), self.name)
            self._offset_us = self._stated_offset()
            attributes = self._attributes() | self._scalars()
        except BROKEN as error:
            raise self._broken(error) from error
        named = [attributes[key] for key in SENSOR_KEYS if key in attributes]
        return self._sized(stated, self._recorded_size(attributes), sensor_named_in(named))

    def _find_columns(self) -> dict[str, Any]:
        """Datasets by name: one compound, or four columns."""
        for place in PLACES:
            node = follow(self._file, place, self.name)
            if isinstance(node, h5py.Dataset) and node.dtype.names and roles_by_name(node.dtype.names):
                return {place: node}
            if isinstance(node, h5py.Group):
                names = [name for name in node if name.lower() in NAMES]
                if roles_by_name(names):
                    return {name: follow(node, name, self.name) for name in names}
        found = ", ".join(list(self._file)[:10]) or "nothing"
        raise BrokenRecording(
            f"{self.name}: holds {found}; read are CD/events (Prophesee) and events/t, x, y, p (DSEC)"
        )

    def _stated_offset(self) -> int:
        for place in ("t_offset", "events/t_offset"):
            node = follow(self._file, place, self.name)
            if isinstance(node, h5py.Dataset) and node.size == 1 and node.dtype.kind in "iu":
                check_columns([node], self.name)
                return int(np.asarray(node[()]).reshape(-1)[0])
        return 0

    def _attributes(self) -> dict[str, str]:
        """Attributes of the root and of the folder of events, as text."""
        first = next(iter(self._columns.values()))
        return {
            key.lower(): value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
            for node in (first, first.parent, self._file)
            for key, value in node.attrs.items()
        }

    def _scalars(self) -> dict[str, str]:
        """Width and height where they lie beside the columns, as in the 1 Mpx data set, as text."""
        beside = next(iter(self._columns.values())).parent
        nodes = {key: follow(beside, key, self.name) for key in ("width", "height")}
        return {
            key: str(int(np.asarray(node[()]).reshape(-1)[0]))
            for key, node in nodes.items()
            if isinstance(node, h5py.Dataset) and check_columns([node], self.name) == 1
        }

    def _recorded_size(self, attributes: dict[str, str]) -> Size | None:
        width, _, height = attributes.get("geometry", "").partition("x")
        width, height = attributes.get("width", width).strip(), attributes.get("height", height).strip()
        if width.isdecimal() and height.isdecimal():
            return recorded_size(int(width), int(height), self.name)
        return None

    def _names(self) -> Sequence[str]:
        first = next(iter(self._columns.values()))
        return first.dtype.names or list(self._columns)

    def _blocks(self) -> Iterator[Sequence[NDArray[Any]]]:
        time = next(index for index, name in enumerate(self._names()) if NAMES.get(name.lower()) == "t")
        for start in range(0, self._rows, MAX_PACKET_EVENTS):
            block = self._block(slice(start, min(start + MAX_PACKET_EVENTS, self._rows)))
            if self._offset_us:
                block[time] = block[time].astype(np.int64) + self._offset_us
            yield block

    def _block(self, rows: slice) -> list[NDArray[Any]]:
        try:
            parts = [dataset[rows] for dataset in self._columns.values()]
        except BROKEN as error:
            raise self._broken(error) from error
        if len(parts) == 1:
            return [parts[0][name] for name in parts[0].dtype.names]
        return parts

    def _broken(self, error: Exception) -> BrokenRecording:
        return BrokenRecording(
            f"{self.name}: HDF5 fails at event {self._rows_done} ({str(error)[:160]}); the file is cut off "
            "or damaged. Everything before it was read."
        )
