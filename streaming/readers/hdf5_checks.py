"""What is checked of an HDF5 file before any of its data is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  # importing it registers its filters with HDF5

from streaming.errors import BrokenRecording, LimitExceeded, UnsupportedEncoding

ECF = 0x8ECF
"""Filter id of Prophesee's event compression format."""
MAX_CHUNK_BYTES = 1 << 26
MAX_RATIO = 1000
HARMLESS_BYTES = 1 << 26


def follow(group: Any, place: str, where: str) -> Any | None:
    """The node at `place`, None where there is none; links out of the file are refused.

    Raises:
        UnsupportedEncoding: a link on the way leads to another file.
    """
    node = group
    for part in [part for part in place.split("/") if part]:
        if not isinstance(node, h5py.Group) or part not in node:
            return None
        if isinstance(node.get(part, getlink=True), h5py.ExternalLink):
            raise UnsupportedEncoding(f"{where}: {place} links to another file; put the events into this one")
        node = node[part]
    return node


def check_columns(datasets: Sequence[Any], where: str) -> int:
    """How many rows the datasets have, once all of them may be read.

    Raises:
        UnsupportedEncoding: data outside the file, or a filter that is not at hand.
        LimitExceeded: forged sizes that would fill the memory.
        BrokenRecording: a dataset that is no column, or columns of unequal lengths.
    """
    for dataset in datasets:
        _check_column(dataset, where)
    rows = {int(dataset.size) for dataset in datasets}
    if len(rows) != 1:
        raise BrokenRecording(f"{where}: its columns have {sorted(rows)} rows; they must be equal")
    claimed = sum(int(dataset.size) * dataset.dtype.itemsize for dataset in datasets)
    stored = sum(int(dataset.id.get_storage_size()) for dataset in datasets)
    if claimed > max(HARMLESS_BYTES, stored * MAX_RATIO):
        raise LimitExceeded(
            f"{where}: claims {claimed} bytes of events from {stored} bytes; events never pack better than "
            f"{MAX_RATIO} : 1, so it is not opened"
        )
    return rows.pop()


def _check_column(dataset: Any, where: str) -> None:
    if not isinstance(dataset, h5py.Dataset) or dataset.ndim > 1 or dataset.dtype.kind not in "biufV":
        raise BrokenRecording(f"{where}: {getattr(dataset, 'name', 'a link')} is no column of numbers")
    if dataset.external or dataset.is_virtual:
        raise UnsupportedEncoding(
            f"{where}: {dataset.name} lies in another file; put the events into this one"
        )
    _check_filters(dataset, where)
    chunk_bytes = dataset.dtype.itemsize
    for side in dataset.chunks or ():
        chunk_bytes *= side
    if chunk_bytes > MAX_CHUNK_BYTES:
        raise LimitExceeded(
            f"{where}: {dataset.name} has chunks of {chunk_bytes} bytes; {MAX_CHUNK_BYTES} are allowed. "
            "Rewrite it with smaller chunks (h5repack)."
        )


def _check_filters(dataset: Any, where: str) -> None:
    properties = dataset.id.get_create_plist()
    for index in range(properties.get_nfilters()):
        code, _, _, name = properties.get_filter(index)
        if code == ECF:
            raise UnsupportedEncoding(
                f"{where}: is compressed with Prophesee's ECF codec (filter {ECF:#x}), which is not read. "
                "Convert it to RAW or DAT with the vendor's tools (metavision_file_to_dat), or to HDF5 with "
                "gzip (h5repack)."
            )
        if not h5py.h5z.filter_avail(code):
            raise UnsupportedEncoding(
                f"{where}: {dataset.name} is compressed with filter {code} "
                f"({name.decode('ascii', 'replace')}), which is not at hand. "
                "Rewrite it with gzip, blosc, zstd or lz4 (h5repack)."
            )
