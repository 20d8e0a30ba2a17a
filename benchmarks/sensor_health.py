"""What watching a sensor and keeping its last seconds costs a live source, beside stepping the same events.

    python -m benchmarks.sensor_health [FILE ...]

With files (or `sim://` URIs that end) also what is found in them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import TypeAlias

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.recordings import HEIGHT, WIDTH, StreetLike
from service.clips.ring import EventRing, Packed
from streaming.events import Events
from streaming.letterbox import Letterbox
from streaming.sensor_health.watch import HealthWatch, RecordingHealth
from streaming.slicing import Stepper
from streaming.sources import open_source

EVENTS = 4_000_000
REPEATS = 5
SLOWER = 10
"""The street's ten million events a second become one million."""
PACKET_US = 5_000
STEP_US = 8_000
GRID = (256, 192)
SENSORS = ((640, 480), (1280, 720))

Taker: TypeAlias = Callable[[Events], object]


def run(console: Console, *, events: int = EVENTS) -> None:
    """Prints nanoseconds an event and shares of a core at a million events a second."""
    table = Table(
        "sensor", "stepper ns/event", "watching ns/event", "a report, ms", "keeping 10 s ns/event",
        "watching, of a core", "keeping, of a core", "watching / stepper",
        title=f"beside the steps, {events / 1e6:g} M events at 1 Mev/s, packets of {PACKET_US // 1000} ms",
    )  # fmt: skip
    for width, height in SENSORS:
        packets = list(_packets(events, width, height))
        table.add_row(*_row(packets, width, height))
    console.print(table)


def _row(packets: list[Events], width: int, height: int) -> tuple[str, ...]:
    """Medians of `REPEATS` rounds, each with all parts in turns, so that other load meets all alike."""
    count = sum(map(len, packets))
    rounds = []
    for _ in range(REPEATS):
        watch = HealthWatch(width, height, live=False)
        stepped = _seconds(_stepper(width, height), packets)
        watched = _seconds(watch.add, packets)
        kept = _seconds(_keeper(), packets)
        begin = time.thread_time()
        watch.report()
        rounds.append((stepped, watched, kept, time.thread_time() - begin))
    stepped, watched, kept, report = np.median(rounds, axis=0) / (count, count, count, 1) * (1e9, 1e9, 1e9, 1)
    share = watched * 1e-3 + report  # of a second: a million events, and a report
    return (
        f"{width} x {height}", f"{stepped:.1f}", f"{watched:.1f}", f"{report * 1e3:.1f}", f"{kept:.1f}",
        f"{share:.1%}", f"{kept * 1e-3:.1%}", f"{share / (stepped * 1e-3):.2f}",
    )  # fmt: skip


def _seconds(take: Taker, packets: list[Events]) -> float:
    begin = time.thread_time()
    for packet in packets:
        take(packet)
    return time.thread_time() - begin


def _stepper(width: int, height: int) -> Taker:
    """As the service steps: into slots that are used again."""
    slots = cycle(np.empty((4, 2, GRID[1], GRID[0]), np.uint16))
    stepper = Stepper(Letterbox(width, height, *GRID), STEP_US, allocate=lambda: next(slots))
    return lambda packet: [step.events for step in stepper.push(packet)]


def _keeper() -> Taker:
    ring = EventRing(10.0, 64 << 20)
    return lambda packet: ring.add(Packed.of(packet, 0.0))


def _packets(events: int, width: int, height: int) -> Iterator[Events]:
    for packet in StreetLike(events).packets():
        x, y = packet.x.astype(np.int64) * width // WIDTH, packet.y.astype(np.int64) * height // HEIGHT
        slow, begin = Events.of(packet.t_us * SLOWER, x, y, packet.p), 0
        while begin < len(slow):
            end = int(np.searchsorted(slow.t_us, slow.t_us[begin] + PACKET_US))
            yield slow[begin:end]
            begin = end


def look(console: Console, uris: list[str]) -> None:
    """Prints what is found in recordings."""
    for uri in uris:
        with open_source(uri) as source:
            watch = RecordingHealth(source.info.width, source.info.height)
            for packet in source.packets():
                watch.add(packet)
        table = Table("topic", "level", "words", title=uri)
        for verdict in watch.worst().verdicts:
            table.add_row(verdict.topic, verdict.level, verdict.words)
        console.print(table)


if __name__ == "__main__":
    run(Console(width=140))
    look(Console(width=140), sys.argv[1:])
