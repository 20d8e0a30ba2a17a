"""`summarise`: what a recording holds, in one pass and constant memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streaming.events import Events, Int64Array
from streaming.source import SizeSource, Source, SourceInfo
from streaming.span import Span

BIN_US = 10_000


@dataclass(frozen=True, slots=True)
class RecordingSummary:
    """What `spikesight info` prints.

    Attributes:
        format: short name of the format.
        sensor: name of the sensor, None where the recording does not tell.
        width, height: size of the sensor, pixels.
        size_source: who said the size (`SourceInfo.size_source`).
        events: how many.
        first_t_us, last_t_us: times of the first and last event, None without events.
        duration_us: last minus first time; 0 without events.
        mean_mev_s: events over the duration, millions a second; 0 where the duration is 0.
        peak_mev_s: the fullest of the 10 ms bins that begin at the first event, millions a second; a last bin
            that the recording does not fill counts as 10 ms.
        on_fraction: share of ON events, 0..1; None without events.
    """

    format: str
    sensor: str | None
    width: int
    height: int
    size_source: SizeSource
    events: int
    first_t_us: int | None
    last_t_us: int | None
    duration_us: int
    mean_mev_s: float
    peak_mev_s: float
    on_fraction: float | None


class _Tally:
    """Running counts over packets; the newest bin is open until an event lies beyond it."""

    def __init__(self) -> None:
        self.span = Span()
        self.on = self.peak = self._open_bin = self._open_count = 0

    def add(self, events: Events) -> None:
        self.span.add(events)
        if self.span.first_us is not None and len(events):
            self.on += int(np.count_nonzero(events.p))
            self._add_bins((events.t_us - self.span.first_us) // BIN_US)

    def _add_bins(self, bins: Int64Array) -> None:
        starts = np.concatenate([[0], np.flatnonzero(np.diff(bins)) + 1, [len(bins)]])
        counts = np.diff(starts)
        if int(bins[0]) == self._open_bin:
            counts[0] += self._open_count
        self.peak = max(self.peak, int(counts.max()))
        self._open_bin, self._open_count = int(bins[-1]), int(counts[-1])


def summarise(source: Source, also: Callable[[Events], None] | None = None) -> RecordingSummary:
    """Reads a finite source to its end; `also` sees every packet.

    Raises:
        StreamingError: as the source says.
    """
    tally = _Tally()
    for events in source.packets():
        tally.add(events)
        if also is not None:
            also(events)
    return _summary(source.info, tally)


def _summary(info: SourceInfo, tally: _Tally) -> RecordingSummary:
    span = tally.span
    return RecordingSummary(
        format=info.format,
        sensor=info.sensor,
        width=info.width,
        height=info.height,
        size_source=info.size_source,
        events=span.events,
        first_t_us=span.first_us,
        last_t_us=span.last_us,
        duration_us=span.duration_us,
        mean_mev_s=span.events / span.duration_us if span.duration_us else 0.0,
        peak_mev_s=tally.peak / BIN_US,
        on_fraction=tally.on / span.events if span.events else None,
    )
