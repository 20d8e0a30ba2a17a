"""A part of a recording, by time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from streaming.events import Events


def clipped(packets: Iterable[Events], start_us: int | None, end_us: int | None) -> Iterator[Events]:
    """Only events at least `start_us` and less than `end_us` after the first one; stops reading behind them.

    Args:
        packets: in time order.
        start_us, end_us: microseconds after the first event; None for no bound.
    """
    first_us: int | None = None
    for events in packets:
        if first_us is None and len(events):
            first_us = int(events.t_us[0])
        zero_us = first_us or 0
        begin = 0 if start_us is None else int(np.searchsorted(events.t_us, zero_us + start_us))
        end = len(events) if end_us is None else int(np.searchsorted(events.t_us, zero_us + end_us))
        yield events[begin:end]
        if end < len(events):
            return
