"""Recordings that tests make: the same events in every format, by encoders that are not the readers' own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import faery
import h5py
import numpy as np
from faery.file_encoder import events_to_file
from numpy.typing import NDArray

from streaming.events import Events
from streaming.writers import write_recording
from tests.streaming.sources import ListSource

WIDTH, HEIGHT = 640, 480


def some_events(
    count: int, seed: int = 0, *, width: int = WIDTH, height: int = HEIGHT, rate_mev_s: float = 5.0
) -> Events:
    """Row runs and single events in time order, reaching every border of the sensor."""
    rng = np.random.default_rng(seed)
    lengths = np.where(rng.random(count) < 0.5, 1, rng.integers(2, min(40, width // 2), count))
    lengths = lengths[: int(np.searchsorted(np.cumsum(lengths), count)) + 1]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    runs = len(lengths)
    t_us = np.repeat(np.sort(rng.integers(0, max(1, int(count / rate_mev_s)), runs)), lengths)
    x = np.repeat(rng.integers(0, width - lengths + 1), lengths) + within
    y, p = np.repeat(rng.integers(0, height, runs), lengths), np.repeat(rng.integers(0, 2, runs), lengths)
    events = Events.of(t_us, x, y, p)[:count]
    events.x[:2], events.y[:2] = (0, width - 1), (0, height - 1)
    return events


def rows_of(events: Events) -> NDArray[Any]:
    """The rows that faery takes."""
    rows = np.empty(len(events), faery.EVENTS_DTYPE)
    rows["t"], rows["x"], rows["y"], rows["on"] = events.t_us, events.x, events.y, events.p
    return rows


def by_faery(path: Path, events: Events, *, zero_t0: bool = False, **options: Any) -> Path:
    """The events as faery writes them."""
    size = options.pop("size", (WIDTH, HEIGHT))
    events_to_file([rows_of(events)], path, size, zero_t0=zero_t0, use_write_suffix=False, **options)
    return path


def make_evt2(path: Path, events: Events) -> Path:
    return by_faery(path, events, file_type="evt", version="evt2")


def make_evt3(path: Path, events: Events) -> Path:
    return by_faery(path, events, file_type="evt", version="evt3")


def make_evt21(path: Path, events: Events, *, legacy: bool = False, header: bytes | None = None) -> Path:
    """EVT2.1 with one event a word; `legacy` has the mask in the upper half."""
    words = []
    high = -1
    for t_us, x, y, p in zip(*(c.tolist() for c in (events.t_us, events.x, events.y, events.p)), strict=True):
        if t_us >> 6 != high:
            high = t_us >> 6
            words.append((8 << 28 | high & 0xFFFFFFF, 0))
        words.append((p << 28 | (t_us & 63) << 22 | (x & ~31) << 11 | y, 1 << (x & 31)))
    halves = np.array(words, np.uint32).reshape(-1, 2)
    kind = "legacy" if legacy else "little"
    text = b"%% format EVT21;height=%d;width=%d;endianness=%s\n%% end\n" % (HEIGHT, WIDTH, kind.encode())
    path.write_bytes((text if header is None else header) + halves[:, :: 1 if legacy else -1].tobytes())
    return path


def make_dat(path: Path, events: Events) -> Path:
    return by_faery(path, events, file_type="dat", version="dat2")


def make_es(path: Path, events: Events) -> Path:
    return by_faery(path, events, file_type="es")


def make_aedat4(path: Path, events: Events) -> Path:
    """Several packets, so that cutting and forging hits one in the middle."""
    write_recording(ListSource([events], WIDTH, HEIGHT), path, "aedat4")
    return path


def make_csv(path: Path, events: Events) -> Path:
    return by_faery(path, events, file_type="csv")


def make_npy(path: Path, events: Events) -> Path:
    np.save(path, columns_of(events))
    return path


def make_npz(path: Path, events: Events) -> Path:
    np.savez_compressed(path, t=events.t_us, x=events.x, y=events.y, p=events.p)
    return path


def make_hdf5(path: Path, events: Events, **filters: Any) -> Path:
    """The plain Prophesee layout."""
    rows = np.empty(len(events), [("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])
    rows["x"], rows["y"], rows["p"], rows["t"] = events.x, events.y, events.p, events.t_us
    with h5py.File(path, "w") as file:
        file.create_dataset("CD/events", data=rows, **(filters or {"compression": "gzip", "chunks": (500,)}))
        file.attrs["geometry"] = f"{WIDTH}x{HEIGHT}"
    return path


def make_dsec(path: Path, events: Events, offset_us: int = 0, **filters: Any) -> Path:
    """The DSEC layout."""
    first = events.t_us - offset_us
    columns = {"t": first.astype(np.uint32), "x": events.x, "y": events.y, "p": events.p}
    with h5py.File(path, "w") as file:
        for name, column in columns.items():
            file.create_dataset(f"events/{name}", data=column, **(filters or {"compression": "gzip"}))
        file["ms_to_idx"] = np.searchsorted(first, np.arange(int(first[-1]) // 1000 + 2) * 1000)
        file["t_offset"] = np.int64(offset_us)
    return path


def columns_of(events: Events) -> NDArray[np.int64]:
    """(N, 4) int64 t, x, y, p."""
    return np.stack([events.t_us, events.x, events.y, events.p], axis=1, dtype=np.int64)


MAKERS: Mapping[str, tuple[str, Callable[[Path, Events], Path]]] = {
    "evt2": (".raw", make_evt2),
    "evt21": (".raw", make_evt21),
    "evt3": (".raw", make_evt3),
    "dat": (".dat", make_dat),
    "es": (".es", make_es),
    "aedat4": (".aedat4", make_aedat4),
    "csv": (".csv", make_csv),
    "npy": (".npy", make_npy),
    "npz": (".npz", make_npz),
    "hdf5": (".h5", make_hdf5),
}
"""Usual suffix and maker of each format."""


def make(folder: Path, format: str, events: Events, name: str = "recording") -> Path:
    """A recording of `events` in `folder`."""
    suffix, maker = MAKERS[format]
    return maker(folder / f"{name}{suffix}", events)


def same(left: Events, right: Events) -> bool:
    """Whether both are the same events in the same order."""
    pairs = zip((left.t_us, left.x, left.y, left.p), (right.t_us, right.x, right.y, right.p), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)
