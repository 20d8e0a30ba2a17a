"""Small labelled recordings that tests write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streaming.events import Events
from streaming.writers import write_recording
from tests.streaming.sources import ListSource
from training.datasets import LabelledWindow, TimedBoxes
from training.datasets.pack import PackedWindow

WIDTH, HEIGHT = 96, 64


def events_of(
    seed: int,
    *,
    count: int = 4_000,
    begin_us: int = 0,
    us: int = 100_000,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Events:
    """Random events in time order, with one at the sensor's last pixel."""
    rng = np.random.default_rng(seed)
    t_us = begin_us + np.sort(rng.integers(0, us, count))
    x, y = rng.integers(0, size[0], count), rng.integers(0, size[1], count)
    x[0], y[0] = size[0] - 1, size[1] - 1
    return Events.of(t_us, x, y, rng.integers(0, 2, count))


def write(events: Events, path: Path, *, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """The events as a recording of the format that the path's suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_recording(ListSource([events[i : i + 700] for i in range(0, len(events), 700)], *size), path)
    return path


def timed(moments: Sequence[int], boxes: Sequence[tuple[int, ArrayLike, int]] = ()) -> TimedBoxes:
    """Labels of `moments`; `boxes` are (t_us, xyxy, label)."""
    return TimedBoxes(
        np.array(moments, np.int64),
        np.array([t for t, _, _ in boxes], np.int64),
        np.array([xyxy for _, xyxy, _ in boxes], np.float32).reshape(-1, 4),
        np.array([label for _, _, label in boxes], np.int64),
    )


def counted(
    events: Events, end_us: int, steps: int, step_us: int, size: tuple[int, int]
) -> NDArray[np.int64]:
    """(T, 2, H, W) counts of a window, event by event."""
    counts = np.zeros((steps, 2, size[1], size[0]), np.int64)
    for t_us, x, y, p in zip(events.t_us, events.x, events.y, events.p, strict=True):
        step = (int(t_us) - end_us) // step_us + steps
        if 0 <= step < steps:
            counts[step, p, y, x] += 1
    return counts


def same_windows(
    a: Sequence[LabelledWindow | PackedWindow], b: Sequence[LabelledWindow | PackedWindow]
) -> bool:
    """Whether two lists hold equal windows."""
    fields = ("cell", "count", "xyxy", "label", "ignore")
    return len(a) == len(b) and all(
        one.shape == other.shape and all(np.array_equal(getattr(one, f), getattr(other, f)) for f in fields)
        for one, other in zip(unpacked(a), unpacked(b), strict=True)
    )


def unpacked(windows: Sequence[LabelledWindow | PackedWindow]) -> list[LabelledWindow]:
    """The windows with their counts at hand."""
    return [window.unpacked() if isinstance(window, PackedWindow) else window for window in windows]
