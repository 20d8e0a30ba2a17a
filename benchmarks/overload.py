"""Overload: twice the streams that the network can serve, by each policy, and a light stream beside them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from model.detector import Detector
from service.options import Policy, StreamSpec
from service.runtime import Runtime
from service.settings import Settings
from tests.service.loops import running_runtime

WIDTH, HEIGHT = 346, 260
EVENTS_PER_S = 400_000
SECONDS = 10.0
OVERLOAD = 2.0
POLICIES: tuple[Policy, ...] = ("block", "drop_oldest", "shed_steps")
BURST_S, PAUSE_S = 0.04, 0.36
"""The light stream has events for a tenth of the time; quiet windows are answered without inference."""
WARM_SHARE = 0.2
"""Share of a stream's time, at its beginning, whose answers do not count."""
MOST_STREAMS = 15


@dataclass(frozen=True, slots=True)
class Watched:
    """What a viewer saw of a stream.

    Attributes:
        messages: all `detections`.
        last: the last `status`.
        took_s: how long the stream ran.
    """

    messages: list[dict[str, Any]]
    last: dict[str, Any]
    took_s: float

    @property
    def settled(self) -> list[dict[str, Any]]:
        """Answers after the stream's beginning."""
        return self.messages[int(len(self.messages) * WARM_SHARE) :]

    @property
    def adds_up(self) -> bool:
        """Whether events received are those of all answers and those dropped, to the last one."""
        answered = sum(message["events"] for message in self.messages)
        return bool(answered + self.last["dropped"]["events"] == self.last["events"])


def run(console: Console, *, seconds: float = SECONDS) -> None:
    """Prints a row for each policy; see docs/benchmarks.md."""
    detector = Detector.load()
    card = detector.card
    row_s = _row_s(detector)
    streams = min(MOST_STREAMS, math.ceil(OVERLOAD * card.step_us / 1e6 / row_s))
    load = streams * row_s / (card.step_us / 1e6)
    nominal = 1e6 / (card.step_us * card.steps)
    table = Table(
        "policy", "answers", "behind p50", "p95", "joined", "dropped", "light: answers", "behind p95",
        "dropped", "adds up",
        title=f"{streams} streams and a light one; a step is {card.step_us / 1e3:g} ms, a row of one takes "
        f"{row_s * 1e3:.1f} ms here and now: {load:.1f} x the load\n"
        f"answers as a share of {nominal:g}/s, behind in steps",
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        heavy = _recording(Path(folder) / "heavy.npy", seconds, bursts=False)
        light = _recording(Path(folder) / "light.npy", seconds, bursts=True)
        settings = Settings(
            recordings_dir=Path(folder), max_streams=MOST_STREAMS + 1, status_s=0.5, viewer_queue=100_000
        )
        with running_runtime(settings) as running:
            for policy in POLICIES:
                every = _run(running.runtime, policy, [heavy] * streams + [light])
                seen = running.call(every, 60 + 20 * seconds)
                table.add_row(policy, *_cells(seen[:-1], seen[-1], nominal, card.step_us / 1e3))
    console.print(table)


def _cells(heavy: Sequence[Watched], light: Watched, nominal: float, step_ms: float) -> list[str]:
    settled = [message for one in heavy for message in one.settled]
    behind = np.array([message["behind_ms"] for message in settled]) / step_ms
    late = np.array([one["behind_ms"] for one in light.settled if one["events"]]) / step_ms
    return [
        f"{sum(len(one.messages) / one.took_s for one in heavy) / len(heavy) / nominal:.2f}",
        f"{np.quantile(behind, 0.5):.1f}",
        f"{np.quantile(behind, 0.95):.1f}",
        f"{np.mean([message['joined'] for message in settled]):.1f}",
        _dropped(heavy),
        f"{len(light.messages) / light.took_s / nominal:.2f}",
        f"{np.quantile(late, 0.95):.1f}",
        _dropped([light]),
        "yes" if all(one.adds_up for one in (*heavy, light)) else "NO",
    ]


def _dropped(watched: Sequence[Watched]) -> str:
    lost = sum(one.last["dropped"]["events"] for one in watched)
    return f"{lost / sum(one.last['events'] for one in watched):.0%}"


async def _run(runtime: Runtime, policy: Policy, sources: Sequence[Path]) -> list[Watched]:
    return await asyncio.gather(*(_watch(runtime, policy, source) for source in sources))


async def _watch(runtime: Runtime, policy: Policy, source: Path) -> Watched:
    spec = StreamSpec(f"file://{source}?speed=1", policy=policy, width=WIDTH, height=HEIGHT)
    stream = await runtime.start_stream(spec)
    begun_s = time.monotonic()
    messages: list[dict[str, Any]] = []
    last: dict[str, Any] = {}
    async with stream.subscribe() as viewer:
        async for message in viewer:
            if isinstance(message, dict) and message["type"] == "detections":
                messages.append(message)
            elif isinstance(message, dict) and message["type"] == "status":
                last = message
    return Watched(messages, last, time.monotonic() - begun_s)


def _row_s(detector: Detector) -> float:
    """Wall time of a stream's step where others are run with it, as far as this machine is free now."""
    rows, width, height = 4, *detector.card.grid
    counts = np.random.default_rng(0).poisson(0.05, (rows, 2, height, width)).astype(np.uint16)
    state, times = detector.initial_state(rows), []
    for _ in range(60):
        begun_s = time.monotonic()
        state = detector.step(counts, state).state
        times.append((time.monotonic() - begun_s) / rows)
    return float(np.mean(times[10:]))


def _recording(path: Path, seconds: float, *, bursts: bool) -> Path:
    rng = np.random.default_rng(0)
    t_us = np.sort(rng.integers(0, int(seconds * 1e6), int(seconds * EVENTS_PER_S)))
    if bursts:
        t_us = t_us[t_us % int((BURST_S + PAUSE_S) * 1e6) < BURST_S * 1e6]
    events = np.zeros(len(t_us), np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")]))
    events["t"] = t_us
    events["x"], events["y"] = rng.integers(0, WIDTH, len(t_us)), rng.integers(0, HEIGHT, len(t_us))
    events["p"] = rng.integers(0, 2, len(t_us))
    np.save(path, events)
    return path
