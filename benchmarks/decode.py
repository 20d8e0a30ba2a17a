"""Decode and step: events from a file into counts on a 640 x 480 grid, against faery and `np.add.at`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faery
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.recordings import HEIGHT, WIDTH, street_like
from streaming.letterbox import Letterbox
from streaming.slicing import Stepper
from streaming.sources import open_recording

FORMATS = {"evt3": "raw", "evt2": "raw", "dat": "dat", "aedat4": "aedat4"}
EVENTS = 3_000_000
REPEATS = 7
STEP_US = 10_000
TARGETS = {"evt3": "10 x"}


def run(console: Console, *, events: int = EVENTS) -> None:
    """Prints million events per CPU second, ours and theirs, for each format; see docs/benchmarks.md."""
    table = Table(
        "format", "bytes/event", "ours Mev/s", "faery + add.at Mev/s", "ratio", "target",
        title=f"decode and step, {events / 1e6:g} M events, {WIDTH} x {HEIGHT}, one core",
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        for format, suffix in FORMATS.items():
            path = street_like(Path(folder) / f"{format}.{suffix}", format, events)
            ours, theirs = _rates(path, events)
            row = (
                f"{path.stat().st_size / events:.2f}",
                f"{ours:.1f}",
                f"{theirs:.1f}",
                f"{ours / theirs:.1f}",
            )
            table.add_row(format, *row, TARGETS.get(format, ""))
    console.print(table)


def _rates(path: Path, events: int) -> tuple[float, float]:
    """Ours and theirs in million events per CPU second: medians of `REPEATS` rounds, taken in turns so that
    other load on the machine meets both alike."""
    rounds = [(_seconds(_ours, path, events), _seconds(_theirs, path, events)) for _ in range(REPEATS)]
    ours, theirs = np.median(rounds, axis=0)
    return float(events / ours / 1e6), float(events / theirs / 1e6)


def _seconds(count_events: Callable[[Path], int], path: Path, events: int) -> float:
    begin = time.process_time()
    counted = count_events(path)
    taken = time.process_time() - begin
    if counted != events:
        raise AssertionError(f"{path.name}: counted {counted} of {events} events")
    return taken


def _ours(path: Path) -> int:
    stepper = Stepper(Letterbox(WIDTH, HEIGHT, WIDTH, HEIGHT), STEP_US)
    counted = 0
    with open_recording(path) as source:
        for packet in source.packets():
            counted += sum(step.events for step in stepper.push(packet))
    last = stepper.flush()
    return counted + (last.events if last else 0)


def _theirs(path: Path) -> int:
    """Steps of the same duration, by the library's packets and numpy."""
    counts, counted = np.zeros((2, HEIGHT, WIDTH), np.uint16), 0
    end_us: int | None = None
    for rows in faery.events_stream_from_file(path):
        start = 0
        while start < len(rows):
            end_us = int(rows["t"][start]) + STEP_US if end_us is None else end_us
            stop = int(np.searchsorted(rows["t"], end_us))
            _add(counts, rows[start:stop])
            counted += stop - start
            if stop < len(rows):
                counts = np.zeros_like(counts)
                end_us += STEP_US
            start = stop
    return counted


def _add(counts: NDArray[np.uint16], rows: NDArray[Any]) -> None:
    np.add.at(counts, (rows["on"].view(np.uint8), rows["y"], rows["x"]), 1)
