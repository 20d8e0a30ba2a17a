"""CSV: the header `t,x,y,p`, then a row an event; t in whole microseconds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from streaming.events import Events
from streaming.source import SourceInfo

HEADER = "t,x,y,p\n"
ROW = "%d,%d,%d,%d\n"


def write_csv(packets: Iterable[Events], info: SourceInfo, path: Path) -> None:
    """Writes packets to a CSV file. It does not hold the sensor's size: readers go by the events' extent."""
    with path.open("w", encoding="ascii", newline="") as file:
        file.write(HEADER)
        for events in packets:
            rows = np.stack([events.t_us, events.x, events.y, events.p], axis=1, dtype=np.int64)
            file.write(ROW * len(events) % tuple(rows.ravel().tolist()))
