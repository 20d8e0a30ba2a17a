"""NPY: a structured array with the fields t (int64, us), x, y (uint16) and p (uint8)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from streaming.events import Events
from streaming.source import SourceInfo

DTYPE = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "|u1")])
HEADER_BYTES = 192


def write_npy(packets: Iterable[Events], info: SourceInfo, path: Path) -> None:
    """Writes packets to an NPY file. It does not hold the sensor's size: readers go by the events' extent."""
    rows = 0
    with path.open("wb") as file:
        file.write(_header(0))
        for events in packets:
            block = np.empty(len(events), DTYPE)
            block["t"], block["x"], block["y"], block["p"] = events.t_us, events.x, events.y, events.p
            file.write(block.data)
            rows += len(events)
        file.seek(0)
        file.write(_header(rows))


def _header(rows: int) -> bytes:
    """A header of the same length for any number of rows, so that the number can be filled in at the end."""
    text = repr({"descr": DTYPE.descr, "fortran_order": False, "shape": (rows,)})
    length = HEADER_BYTES - 10
    return (
        b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + text.ljust(length - 1).encode("ascii") + b"\n"
    )
