"""Recordings made for benchmarks: a street-like mix of row runs and noise, the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import faery
import numpy as np
from faery.file_encoder import events_to_file
from numpy.typing import NDArray

from streaming.events import Events
from streaming.source import SourceInfo
from streaming.writers import write_recording

WIDTH, HEIGHT = 640, 480
PACKET_EVENTS = 1 << 16
PACKET_US = PACKET_EVENTS // 10
"""10 million events a second: a busy street from a moving car."""
NOISE_SHARE = 0.3
RUN_EVENTS = (3, 25)
"""Shortest and one past the longest run of neighbours in a row that an edge gives at once."""
RUN_MEAN = (RUN_EVENTS[0] + RUN_EVENTS[1] - 1) / 2


class StreetLike:
    """A finite source of `events` events at 640 x 480, made packet by packet."""

    def __init__(self, events: int, seed: int = 0) -> None:
        self.info = SourceInfo("synthetic", WIDTH, HEIGHT)
        self._events, self._seed = events, seed

    def packets(self) -> Iterator[Events]:
        rng = np.random.default_rng(self._seed)
        for start in range(0, self._events, PACKET_EVENTS):
            count = min(PACKET_EVENTS, self._events - start)
            yield _packet(rng, count, start // PACKET_EVENTS * PACKET_US)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return


def street_like(path: Path, format: str, events: int, seed: int = 0) -> Path:
    """Writes a recording in constant memory and returns its path.

    Args:
        path: the new file.
        format: "evt3", "aedat4", "npy" or "csv" by our own writers, "evt2" or "dat" by faery.
        events: how many.
        seed: of the events.
    """
    source = StreetLike(events, seed)
    if format in ("evt2", "dat"):
        kind = {"evt2": "evt", "dat": "dat"}[format]
        version = {"evt2": "evt2", "dat": "dat2"}[format]
        rows = (_rows(packet) for packet in source.packets())
        events_to_file(rows, path, (WIDTH, HEIGHT), version=version, file_type=kind, use_write_suffix=False)
    else:
        write_recording(source, path, format)
    return path


def _packet(rng: np.random.Generator, count: int, start_us: int) -> Events:
    # A run has RUN_MEAN events: of runs drawn at this rate, NOISE_SHARE of all events stand alone.
    alone = NOISE_SHARE * RUN_MEAN / (NOISE_SHARE * RUN_MEAN + 1 - NOISE_SHARE)
    lengths = np.where(rng.random(count) < alone, 1, rng.integers(*RUN_EVENTS, size=count))
    runs = int(np.searchsorted(np.cumsum(lengths), count)) + 1
    lengths = lengths[:runs]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    t_us = np.repeat(np.sort(rng.integers(0, PACKET_US, runs)) + start_us, lengths)
    x = np.repeat(rng.integers(0, WIDTH - RUN_EVENTS[1], runs), lengths) + within
    y = np.repeat(rng.integers(0, HEIGHT, runs), lengths)
    p = np.repeat(rng.integers(0, 2, runs), lengths)
    return Events.of(t_us, x, y, p)[:count]


def _rows(events: Events) -> NDArray[Any]:
    rows = np.empty(len(events), faery.EVENTS_DTYPE)
    rows["t"], rows["x"], rows["y"], rows["on"] = events.t_us, events.x, events.y, events.p
    return rows
