"""AEDAT4 with LZ4, encoded by `faery`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import faery
import numpy as np
from faery.file_encoder import events_to_file
from numpy.typing import NDArray

from streaming.errors import BadSource
from streaming.events import Events
from streaming.source import SourceInfo

PACKET_EVENTS = 8192
"""Small packets, as cameras write them, so that readers of any kind can seek."""


def write_aedat4(packets: Iterable[Events], info: SourceInfo, path: Path) -> None:
    """Writes packets to an AEDAT4 file.

    Raises:
        BadSource: a time before zero, which the format cannot hold.
    """
    events_to_file(_rows(packets), path, (info.width, info.height), file_type="aedat", use_write_suffix=False)


def _rows(packets: Iterable[Events]) -> Iterator[NDArray[Any]]:
    for events in packets:
        if len(events) and events.t_us[0] < 0:
            raise BadSource(f"found an event at {events.t_us[0]} us; AEDAT4 holds no times before zero")
        for start in range(0, len(events), PACKET_EVENTS):
            part = events[start : start + PACKET_EVENTS]
            rows = np.empty(len(part), faery.EVENTS_DTYPE)
            rows["t"], rows["x"], rows["y"], rows["on"] = part.t_us, part.x, part.y, part.p
            yield rows
