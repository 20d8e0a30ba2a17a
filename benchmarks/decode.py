"""Decode and step: events from a file into counts on a grid, against faery and `np.add.at`."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import faery
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.recordings import HEIGHT, WIDTH, street_like
from streaming.letterbox import Letterbox
from streaming.slicing import Stepper
from streaming.sources import open_recording

CountEvents: TypeAlias = Callable[[Path, Letterbox], int]

EVENTS = 3_000_000
REPEATS = 7
STEP_US = 10_000
SLOTS = 4
MODEL = Letterbox(WIDTH, HEIGHT, 256, 192)
"""The sensor on the grid of the default model."""
FULL = Letterbox(WIDTH, HEIGHT, WIDTH, HEIGHT)
CASES = (
    ("evt3", "raw", FULL, "10 x"),
    ("evt3", "raw", MODEL, ""),
    ("evt2", "raw", MODEL, ""),
    ("dat", "dat", MODEL, ""),
    ("aedat4", "aedat4", MODEL, ""),
)
"""Format, suffix, grid and target."""


def run(console: Console, *, events: int = EVENTS) -> None:
    """Prints million events per CPU second, ours and theirs, for each format; see docs/benchmarks.md."""
    table = Table(
        "format", "bytes/event", "grid", "ours Mev/s", "faery + add.at Mev/s", "ratio", "target",
        title=f"decode and step, {events / 1e6:g} M events of {WIDTH} x {HEIGHT}, one core",
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        for format, suffix, letterbox, target in CASES:
            path = Path(folder) / f"{format}.{suffix}"
            if not path.exists():
                street_like(path, format, events)
            table.add_row(format, *_case(path, letterbox, events), target)
    console.print(table)


def _case(path: Path, letterbox: Letterbox, events: int) -> tuple[str, ...]:
    """Ours and theirs: medians of `REPEATS` rounds, taken in turns so that other load on the machine meets
    both alike."""
    rounds = [
        [_seconds(count, path, letterbox, events) for count in (_ours, _theirs)] for _ in range(REPEATS)
    ]
    ours, theirs = events / np.median(rounds, axis=0) / 1e6
    grid = f"{letterbox.grid_width} x {letterbox.grid_height}"
    return f"{path.stat().st_size / events:.2f}", grid, f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.1f}"


def _seconds(count_events: CountEvents, path: Path, letterbox: Letterbox, events: int) -> float:
    begin = time.process_time()
    counted = count_events(path, letterbox)
    taken = time.process_time() - begin
    if counted != events:
        raise AssertionError(f"{path.name}: counted {counted} of {events} events")
    return taken


def _ours(path: Path, letterbox: Letterbox) -> int:
    """As the service does it: steps are written into slots that are used again."""
    slots = cycle(np.empty((SLOTS, 2, letterbox.grid_height, letterbox.grid_width), np.uint16))
    stepper = Stepper(letterbox, STEP_US, allocate=lambda: next(slots))
    counted = 0
    with open_recording(path) as source:
        for packet in source.packets():
            counted += sum(step.events for step in stepper.push(packet))
    last = stepper.flush()
    return counted + (last.events if last else 0)


def _theirs(path: Path, letterbox: Letterbox) -> int:
    """Steps of the same duration on the same grid by the library's packets and numpy, in one array that is
    used again."""
    columns, rows = letterbox.columns(), letterbox.rows()
    counts = np.zeros((2, letterbox.grid_height, letterbox.grid_width), np.uint16)
    counted, end_us = 0, None
    for events in faery.events_stream_from_file(path):
        start = 0
        while start < len(events):
            end_us = int(events["t"][start]) + STEP_US if end_us is None else end_us
            stop = int(np.searchsorted(events["t"], end_us))
            _add(counts, events[start:stop], columns, rows)
            counted += stop - start
            if stop < len(events):
                counts.fill(0)
                end_us += STEP_US
            start = stop
    return counted


def _add(
    counts: NDArray[np.uint16], events: NDArray[Any], columns: NDArray[np.int32], rows: NDArray[np.int32]
) -> None:
    np.add.at(counts, (events["on"].view(np.uint8), rows[events["y"]], columns[events["x"]]), 1)
