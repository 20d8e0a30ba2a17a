"""What a child process does with a hostile file."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np

from streaming.outlet import Outlet
from streaming.sources import open_recording


def read_all(outlet: Outlet, path: Path) -> None:
    """Reads a file to its end and sends how many whole packets and events came, even where it then fails."""
    events, valid, newest_us = 0, True, -(1 << 62)
    try:
        with open_recording(path) as source:
            info = source.info
            for packet in source.packets():
                events += len(packet)
                inside = (
                    np.all(packet.x < info.width) and np.all(packet.y < info.height) and np.all(packet.p <= 1)
                )
                ordered = packet.t_us[0] >= newest_us and np.all(np.diff(packet.t_us) >= 0)
                valid = valid and bool(inside and ordered)
                newest_us = int(packet.t_us[-1])
    finally:
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        outlet.send({"events": events, "valid": valid, "peak_mb": peak_mb})
