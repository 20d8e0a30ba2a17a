"""`summarise`: what a recording holds, in one pass and constant memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streaming.events import Events
from streaming.source import SizeSource, Source, SourceInfo

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
        self.events = self.on = self.peak = self._open_count = 0
        self.first_us: int | None = None
        self.last_us: int | None = None
        self._open_bin = 0

    def add(self, events: Events) -> None:
        if len(events) == 0:
            return
        if self.first_us is None:
            self.first_us = int(events.t_us[0])
        self.last_us = int(events.t_us[-1])
        self.events += len(events)
        self.on += int(np.count_nonzero(events.p))
        self._add_bins((events.t_us - self.first_us) // BIN_US)

    def _add_bins(self, bins: np.typing.NDArray[np.int64]) -> None:
        starts = np.concatenate([[0], np.flatnonzero(np.diff(bins)) + 1, [len(bins)]])
        counts = np.diff(starts)
        if int(bins[0]) == self._open_bin:
            counts[0] += self._open_count
        self.peak = max(self.peak, int(counts.max()))
        self._open_bin, self._open_count = int(bins[-1]), int(counts[-1])


def summarise(source: Source) -> RecordingSummary:
    """Reads a finite source to its end.

    Raises:
        StreamingError: as the source says.
    """
    tally = _Tally()
    for events in source.packets():
        tally.add(events)
    return _summary(source.info, tally)


def _summary(info: SourceInfo, tally: _Tally) -> RecordingSummary:
    duration_us = 0
    if tally.first_us is not None and tally.last_us is not None:
        duration_us = tally.last_us - tally.first_us
    return RecordingSummary(
        format=info.format,
        sensor=info.sensor,
        width=info.width,
        height=info.height,
        size_source=info.size_source,
        events=tally.events,
        first_t_us=tally.first_us,
        last_t_us=tally.last_us,
        duration_us=duration_us,
        mean_mev_s=tally.events / duration_us if duration_us else 0.0,
        peak_mev_s=tally.peak / BIN_US,
        on_fraction=tally.on / tally.events if tally.events else None,
    )
