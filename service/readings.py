"""Whole recordings read in child processes with limits: what is in them, and pictures of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.finishing import finished
from service.settings import Settings
from streaming.isolation import Child
from streaming.limits import Limits
from streaming.outlet import Outlet
from streaming.span import Span

PICTURE_US = 40_000
"""Least time that one picture shows."""
MOST_PICTURES = 2_000
"""Of one recording; longer ones have longer pictures."""


def limits_of(settings: Settings) -> Limits:
    return Limits(
        max_bytes=settings.max_upload_bytes,
        max_events=settings.parse_max_events,
        max_duration_us=round(settings.parse_max_duration_s * 1e6),
        memory_bytes=settings.parse_memory_mb << 20,
        cpu_s=settings.parse_cpu_s,
        wall_s=min(settings.parse_wall_s, settings.deadline_s),
    )


async def inspect(
    path: Path, format_: str | None, width: int | None, height: int | None, settings: Settings
) -> dict[str, Any]:
    """`format`, `width`, `height`, `events`, `first_t_us`, `last_t_us`, `duration_us` of a recording.

    Raises:
        StreamingError: what is wrong with it.
    """
    found: list[dict[str, Any]] = []
    await in_child(_inspect, (path, format_, width, height), limits_of(settings), found.append)
    return found[0]


async def in_child(
    function: Callable[..., None],
    arguments: tuple[Any, ...],
    limits: Limits,
    take: Callable[[Any], None],
    *,
    name: str = "reading",
) -> None:
    """Runs `function` in a child and gives its messages to `take`, in a thread; kills it when cancelled."""
    reading = _Reading(function, arguments, limits, take, name)
    await finished(asyncio.to_thread(reading.run), reading.stop)


class _Reading:
    def __init__(
        self,
        function: Callable[..., None],
        arguments: tuple[Any, ...],
        limits: Limits,
        take: Callable[[Any], None],
        name: str,
    ) -> None:
        self._function, self._arguments, self._limits, self._take = function, arguments, limits, take
        self._name = name
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._stopped = False

    def run(self) -> None:
        with Child(self._function, self._arguments, limits=self._limits, name=self._name) as child:
            with self._lock:
                self._child = child
                if self._stopped:
                    return
            try:
                for message in child:
                    self._take(message)
            finally:
                with self._lock:
                    self._child = None

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            if self._child is not None:
                self._child.kill()


def _inspect(outlet: Outlet, path: Path, format_: str | None, width: int | None, height: int | None) -> None:
    from streaming.sources import open_recording

    outlet.limits.check_size(path)
    with open_recording(path, format=format_, width=width, height=height) as source:
        span, info = Span(), source.info
        for packet in outlet.limits.enforced(source.packets()):
            span.add(packet)
    outlet.send(
        {
            "format": info.format,
            "width": info.width,
            "height": info.height,
            "events": span.events,
            "first_t_us": span.first_us,
            "last_t_us": span.last_us,
            "duration_us": span.duration_us,
        }
    )


def period_us(duration_us: int) -> int:
    """Time that one picture of a recording shows, microseconds."""
    return max(PICTURE_US, -(-(duration_us + 1) // MOST_PICTURES))


def draw(
    outlet: Outlet,
    path: Path,
    format_: str,
    sensor: tuple[int, int],
    picture_width: int,
    each_us: int,
) -> None:
    """Sends `(start_us, end_us, WebP bytes)` for every `each_us` in order; silences may be left out."""
    from streaming.letterbox import Letterbox
    from streaming.picture import draw_counts, encode_webp
    from streaming.slicing import DEFAULT_MAX_GAP_US, Stepper
    from streaming.sources import open_recording

    width, height = sensor
    shown_width = min(picture_width, width)
    letterbox = Letterbox(width, height, shown_width, max(1, round(height * shown_width / width)))
    stepper = Stepper(letterbox, each_us, max_gap_us=max(each_us, DEFAULT_MAX_GAP_US))
    with open_recording(path, format=format_, width=width, height=height) as source:
        for packet in outlet.limits.enforced(source.packets()):
            for step in stepper.push(packet):
                outlet.send((*step.t_us, encode_webp(draw_counts(step.counts))))
    if (last := stepper.flush()) is not None:
        outlet.send((*last.t_us, encode_webp(draw_counts(last.counts))))
