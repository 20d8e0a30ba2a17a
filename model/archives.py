"""The zip archives of torch.save and the tensors in them, checked before anything is read.

An archive holds NAME/data.pkl and one NAME/data/KEY for each storage, all stored without compression. Nothing
is written to disk, so names cannot lead anywhere; sizes are compared with the file's before memory is taken.
"""

from __future__ import annotations

import math
import re
import zipfile
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import BadCheckpoint, HostileCheckpoint
from model.pickles import Global, Instance, Persistent

MAX_ARCHIVE_BYTES = 2 << 30
MAX_ENTRIES = 20_000
MAX_ELEMENTS = 1 << 28
"""Numbers in all tensors of a network together; the largest published one has 34 million."""
MAX_DIMENSIONS = 8

_DTYPES = {
    "torch.FloatStorage": "<f4",
    "torch.HalfStorage": "<f2",
    "torch.DoubleStorage": "<f8",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "<i1",
    "torch.ByteStorage": "<u1",
    "torch.BoolStorage": "?",
}


class Archive:
    """The entries of a torch archive, checked before anything is read."""

    def __init__(self, archive: zipfile.ZipFile, file_bytes: int) -> None:
        self.zip = archive
        entries = archive.infolist()
        if file_bytes > MAX_ARCHIVE_BYTES or len(entries) > MAX_ENTRIES:
            raise HostileCheckpoint(
                f"{file_bytes} bytes in {len(entries)} entries; at most {MAX_ARCHIVE_BYTES} and {MAX_ENTRIES}"
            )
        self.entries = {entry.filename: entry for entry in entries}
        if len(self.entries) != len(entries):
            raise HostileCheckpoint("two entries of the archive have one name")
        for entry in entries:
            _check_entry(entry, file_bytes)
        if sum(entry.file_size for entry in entries) > file_bytes:
            raise HostileCheckpoint("the entries together claim more bytes than the file has; they overlap")
        self.root = self._find_root()

    def _find_root(self) -> str:
        roots = [n.removesuffix("data.pkl") for n in self.entries if re.fullmatch(r"[^/]+/data\.pkl", n)]
        if len(roots) != 1:
            raise BadCheckpoint("the archive has no NAME/data.pkl; torch.save writes one")
        if f"{roots[0]}constants.pkl" in self.entries:
            raise BadCheckpoint("this is a TorchScript archive, not a checkpoint of torch.save")
        return roots[0]

    def read(self, name: str, limit: int) -> bytes:
        entry = self.entries.get(self.root + name)
        if entry is None:
            raise BadCheckpoint(f"the archive lacks {name!r}, which the pickle refers to")
        if entry.file_size > limit:
            raise HostileCheckpoint(f"{name!r} has {entry.file_size} bytes; at most {limit} here")
        return self.zip.read(entry)


def _check_entry(entry: zipfile.ZipInfo, file_bytes: int) -> None:
    parts = PurePosixPath(entry.filename).parts
    if entry.filename.startswith("/") or ".." in parts or "\\" in entry.filename:
        raise HostileCheckpoint(f"entry {entry.filename[:100]!r} points outside the archive")
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > file_bytes:
        raise HostileCheckpoint(
            f"entry {entry.filename[:100]!r} claims {entry.file_size} bytes (compression "
            f"{entry.compress_type}) in a file of {file_bytes}; torch stores entries uncompressed"
        )


class Tensors:
    """Reads tensors out of storages, each storage once."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.storages: dict[str, NDArray[Any]] = {}
        self.elements = 0

    def tensor(self, value: Any, name: str) -> NDArray[Any]:
        """The array of a pickled tensor or parameter, copied out of its storage."""
        if isinstance(value, Instance) and value.kind == "torch._utils._rebuild_parameter" and value.args:
            value = value.args[0]
        if not isinstance(value, Instance) or value.kind != "torch._utils._rebuild_tensor_v2":
            raise BadCheckpoint(f"{name!r} is not a pickled tensor")
        if len(value.args) < 4:
            raise BadCheckpoint(f"tensor {name!r} has {len(value.args)} arguments, torch writes at least 4")
        reference, offset, size, stride = value.args[:4]
        storage = self._storage(reference, name)
        _check_view(name, storage.size, offset, size, stride)
        self.elements += math.prod(size)
        if self.elements > MAX_ELEMENTS:
            raise HostileCheckpoint(f"more than {MAX_ELEMENTS} numbers in all tensors, reached at {name!r}")
        steps = [s * storage.itemsize for s in stride]
        view = np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False)
        return view.astype(np.float32) if storage.dtype == np.float16 else view.copy()

    def _storage(self, reference: Any, name: str) -> NDArray[Any]:
        key = reference.key if isinstance(reference, Persistent) else None
        if not (isinstance(key, tuple) and len(key) >= 5 and key[0] == "storage"):
            raise BadCheckpoint(f"tensor {name!r} does not refer to a storage")
        kind, entry, count = key[1], key[2], key[4]
        dtype = _DTYPES.get(kind.name) if isinstance(kind, Global) else None
        if dtype is None:
            raise BadCheckpoint(f"tensor {name!r} has storage type {kind}, read are {', '.join(_DTYPES)}")
        if not isinstance(entry, str) or not re.fullmatch(r"\d{1,9}", entry):
            raise HostileCheckpoint(
                f"tensor {name!r} refers to storage {str(entry)[:100]!r}; storages are numbered"
            )
        if entry not in self.storages:
            data = self.archive.read(f"data/{entry}", MAX_ARCHIVE_BYTES)
            if len(data) % np.dtype(dtype).itemsize:
                raise BadCheckpoint(f"storage {entry} has {len(data)} bytes, no multiple of one {kind.name}")
            self.storages[entry] = np.frombuffer(data, dtype)
        storage = self.storages[entry]
        if storage.dtype != np.dtype(dtype) or count != storage.size:
            raise HostileCheckpoint(
                f"tensor {name!r} claims {count} numbers of {kind.name} in storage {entry}, which holds "
                f"{storage.size} of {storage.dtype}"
            )
        return storage


def _check_view(name: str, available: int, offset: Any, size: Any, stride: Any) -> None:
    """A view must lie inside its storage and may not repeat numbers."""
    numbers = (offset, *size, *stride) if isinstance(size, tuple) and isinstance(stride, tuple) else (None,)
    if not all(type(n) is int and 0 <= n <= MAX_ARCHIVE_BYTES for n in numbers):
        raise HostileCheckpoint(f"tensor {name!r} has an offset, size or stride that is no such number")
    if len(size) != len(stride) or len(size) > MAX_DIMENSIONS:
        raise HostileCheckpoint(f"tensor {name!r} has {len(size)} sizes and {len(stride)} strides")
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if all(size) else offset - 1
    if math.prod(size) > available or last >= available:
        raise HostileCheckpoint(
            f"tensor {name!r} of size {size}, stride {stride}, offset {offset} reaches outside its storage "
            f"of {available} numbers"
        )
