"""Hostile files that claim or unfold to far more than they hold, run code, or reach out of themselves."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np

from streaming.errors import BrokenRecording, LimitExceeded, StreamingError, UnsupportedEncoding

Bomb: TypeAlias = tuple[str, str, Callable[[Path], Path], tuple[type[StreamingError], ...]]

CLAIMED_ROWS = (2 << 30) // 32
ECF = 36559


class _Trap:
    """Leaves a mark where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('the pickle was run')",)


def npy_pickle(folder: Path) -> Path:
    """An NPY file of objects."""
    path = folder / "pickle.npy"
    np.save(path, np.array([_Trap()], dtype=object), allow_pickle=True)
    return path


def npz_pickle(folder: Path) -> Path:
    """An NPZ archive of objects."""
    with io.BytesIO() as buffer:
        np.save(buffer, np.array([_Trap()], dtype=object), allow_pickle=True)
        return _zipped(folder / "pickle.npz", [("events.npy", buffer.getvalue())])


def npy_claim(folder: Path) -> Path:
    """2 GB of rows claimed by one kilobyte."""
    path = folder / "claim.npy"
    with path.open("wb") as file:
        header = {"descr": "<i8", "fortran_order": False, "shape": (CLAIMED_ROWS, 4)}
        np.lib.format.write_array_header_1_0(file, header)
        np.zeros((27, 4), np.int64).tofile(file)
    return path


def npy_absurd_shape(folder: Path) -> Path:
    """More rows than any disk holds."""
    path = folder / "absurd.npy"
    with path.open("wb") as file:
        header = {"descr": "<i8", "fortran_order": True, "shape": (1 << 62, 4)}
        np.lib.format.write_array_header_1_0(file, header)
    return path


def npz_bomb(folder: Path) -> Path:
    """320 MB of zeros in 320 kB."""
    path = folder / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("events.npy", "w") as member,
    ):
        np.lib.format.write_array_header_1_0(
            member, {"descr": "<i8", "fortran_order": False, "shape": (10_000_000, 4)}
        )
        for _ in range(40):
            member.write(bytes(8_000_000))
    return path


def npz_claim(folder: Path) -> Path:
    """A member whose header claims 2 GB of rows that do not follow."""
    with io.BytesIO() as buffer:
        header = {"descr": "<i8", "fortran_order": False, "shape": (CLAIMED_ROWS, 4)}
        np.lib.format.write_array_header_1_0(buffer, header)
        buffer.write(bytes(320))
        return _zipped(folder / "claim.npz", [("events.npy", buffer.getvalue())])


def npz_many_members(folder: Path) -> Path:
    """Two thousand empty arrays."""
    return _zipped(folder / "many.npz", [(f"a{index}.npy", b"") for index in range(2000)])


def hdf5_claim(folder: Path) -> Path:
    """2 GB of rows of which none was ever written."""
    path = folder / "claim.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("CD/events", (CLAIMED_ROWS * 2,), dtype=_ROW, chunks=(1000,), compression="gzip")
    return path


def hdf5_bomb(folder: Path) -> Path:
    """Zeros that gzip packs a thousandfold, and claims beyond that."""
    path = folder / "bomb.h5"
    with h5py.File(path, "w") as file:
        rows = file.create_dataset("CD/events", (1 << 25,), dtype=_ROW, chunks=(1 << 20,), compression=9)
        rows[: 1 << 21] = np.zeros(1 << 21, _ROW)
    return path


def hdf5_giant_chunk(folder: Path) -> Path:
    """A chunk that would unfold to 240 MB at once."""
    path = folder / "chunk.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("CD/events", (1 << 24,), dtype=_ROW, chunks=(1 << 24,), compression="gzip")
    return path


def hdf5_link_out(folder: Path) -> Path:
    """Events that are a link to another file."""
    path = folder / "link.h5"
    with h5py.File(path, "w") as file:
        file["events"] = h5py.ExternalLink("/etc/passwd", "/events")
    return path


def hdf5_external_storage(folder: Path) -> Path:
    """Events whose bytes are those of another file."""
    path = folder / "storage.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("CD/events", (10,), dtype=_ROW, external=[("/etc/passwd", 0, 10 * _ROW.itemsize)])
    return path


def hdf5_ecf(folder: Path) -> Path:
    """Events under Prophesee's codec."""
    path = folder / "ecf.h5"
    with h5py.File(path, "w") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((1000,))
        properties.set_filter(ECF, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((5000,))
        kind = h5py.h5t.py_create(_ROW)
        h5py.h5d.create(file.create_group("CD").id, b"events", kind, space, properties)
    return path


_ROW = np.dtype([("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])

BOMBS: Sequence[Bomb] = (
    ("npy-pickle", "npy", npy_pickle, (UnsupportedEncoding,)),
    ("npz-pickle", "npz", npz_pickle, (UnsupportedEncoding,)),
    ("npy-2-gb-in-1-kb", "npy", npy_claim, (BrokenRecording,)),
    ("npy-absurd-shape", "npy", npy_absurd_shape, (BrokenRecording,)),
    ("npz-bomb", "npz", npz_bomb, (LimitExceeded,)),
    ("npz-2-gb-in-1-kb", "npz", npz_claim, (BrokenRecording,)),
    ("npz-many-members", "npz", npz_many_members, (LimitExceeded,)),
    ("hdf5-2-gb-in-1-kb", "hdf5", hdf5_claim, (LimitExceeded,)),
    ("hdf5-bomb", "hdf5", hdf5_bomb, (LimitExceeded,)),
    ("hdf5-giant-chunk", "hdf5", hdf5_giant_chunk, (LimitExceeded,)),
    ("hdf5-link-out", "hdf5", hdf5_link_out, (UnsupportedEncoding,)),
    ("hdf5-external-storage", "hdf5", hdf5_external_storage, (UnsupportedEncoding,)),
    ("hdf5-ecf", "hdf5", hdf5_ecf, (UnsupportedEncoding,)),
)


def _zipped(path: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path
