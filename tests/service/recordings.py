"""Recordings that the tests write themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 64, 48
DTYPE = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])


def events_array(seed: int, duration_us: int, count: int) -> NDArray[np.void]:
    """`count` events, the first at 0 and the last at `duration_us` - 1."""
    rng = np.random.default_rng(seed)
    events = np.zeros(count, DTYPE)
    events["t"] = np.sort(rng.integers(0, duration_us, count))
    events["t"][0], events["t"][-1] = 0, duration_us - 1
    events["x"], events["y"] = rng.integers(0, WIDTH, count), rng.integers(0, HEIGHT, count)
    events["p"] = rng.integers(0, 2, count)
    return events


def write_recording(path: Path, *, seed: int = 0, duration_us: int = 400_000, count: int = 20_000) -> Path:
    """A recording of a 64 x 48 sensor as NPY."""
    np.save(path, events_array(seed, duration_us, count))
    return path


def write_broken_recording(path: Path) -> Path:
    """Whole for 200 ms, then time runs backward."""
    events = events_array(0, 400_000, 400_000)
    events["t"][-100] = 1
    np.save(path, events)
    return path
