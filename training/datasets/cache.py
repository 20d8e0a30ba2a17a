"""`prepare`: the recordings of a split become packs of windows, each in one pass, once.

A part's pack is there whole or not at all, so a killed run loses the parts it was at and the next one goes
on. A pack remembers its files' sizes and times; where these differ it is made anew. One process prepares at a
time, others wait for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.datasets import Cut, DataSet, LabelledWindow, Part, Split
from training.datasets.pack import VERSION, Pack, write_pack
from training.errors import BadDataset


@dataclass(frozen=True, slots=True)
class PrepareProgress:
    """How far the recordings of a split are read.

    Attributes:
        split: which one.
        parts, of: recordings done and of all.
        windows: windows in those done.
        message: what should be known, empty most of the time.
    """

    split: Split
    parts: int
    of: int
    windows: int
    message: str = ""


OnPrepare = Callable[[PrepareProgress], None]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The windows of a split.

    Attributes:
        packs: one a part, in the data set's order.
        boxes: boxes of each class.
        ignored: regions to ignore.
    """

    packs: Sequence[Pack]
    boxes: dict[str, int]
    ignored: int

    @property
    def windows(self) -> int:
        return sum(len(pack) for pack in self.packs)

    def to_json(self) -> dict[str, Any]:
        return {"windows": self.windows, "boxes": self.boxes, "regions_to_ignore": self.ignored}


def prepare(
    data: DataSet,
    split: Split,
    cut: Cut,
    folder: Path,
    *,
    threads: int = 1,
    on_progress: OnPrepare | None = None,
) -> Prepared:
    """The packs of a split; those that are missing or stale are made first.

    Args:
        data: the data set.
        split: which recordings.
        cut: how windows are cut.
        folder: of the cache of this data set; packs lie in a folder of it for each cut.
        threads: recordings read at once.
        on_progress: told after each recording.

    Raises:
        BadDataset: a recording or its labels are bad; none of its windows are kept, those done before are.
    """
    parts = data.parts(split)
    home = folder / fingerprint(data.classes, cut) / split
    home.mkdir(parents=True, exist_ok=True)
    packs: list[Pack] = []
    with _only_process(home), ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(_pack, part, home, cut, len(data.classes)) for part in parts]
        try:
            for future in futures:
                packs.append(future.result())
                if on_progress:
                    on_progress(PrepareProgress(split, len(packs), len(parts), sum(map(len, packs))))
        finally:
            for future in futures:
                future.cancel()
    prepared = _summed(packs, data.classes)
    _write_manifest(home, data, cut, prepared)
    return prepared


def fingerprint(classes: Sequence[str], cut: Cut) -> str:
    """Twelve hex digits that differ for other windows of the same files."""
    return _digest(json.dumps([VERSION, list(classes), asdict(cut)]))[:12]


def _pack(part: Part, home: Path, cut: Cut, classes: int) -> Pack:
    """The part's pack, made if need be."""
    path = home / f"{_digest(part.name)[:20]}.pack"
    about = {"part": part.name, "files": _stamps(part)}
    kept = _kept(path, about)
    if kept is not None:
        return kept
    tally = _Tally(classes)
    write_pack(path, tally.through(part.windows(cut)), lambda: about | tally.to_json())
    return Pack.open(path)


def _kept(path: Path, about: dict[str, Any]) -> Pack | None:
    if not path.exists():
        return None
    try:
        pack = Pack.open(path)
    except BadDataset:  # damaged: it is made again
        return None
    return pack if about.items() <= pack.about.items() else None


def _stamps(part: Part) -> list[list[Any]]:
    """Name, bytes and time of change of the part's files."""
    stamps = []
    for path in part.files:
        try:
            stat = path.stat()
        except OSError as error:
            raise BadDataset(f"{path}: cannot be read: {error}. Restore the file of {part.name}.") from error
        stamps.append([path.name, stat.st_size, stat.st_mtime_ns])
    return stamps


class _Tally:
    """Counts the labels of the windows that pass."""

    def __init__(self, classes: int) -> None:
        self._boxes = np.zeros(classes, np.int64)
        self._ignored = 0

    def through(self, windows: Iterator[LabelledWindow]) -> Iterator[LabelledWindow]:
        for window in windows:
            yield window
            self._boxes += np.bincount(window.label, minlength=len(self._boxes))
            self._ignored += len(window.ignore)

    def to_json(self) -> dict[str, Any]:
        return {"boxes": self._boxes.tolist(), "ignored": self._ignored}


def _summed(packs: Sequence[Pack], classes: Sequence[str]) -> Prepared:
    counts = {name: sum(pack.about["boxes"][label] for pack in packs) for label, name in enumerate(classes)}
    return Prepared(packs, counts, sum(pack.about["ignored"] for pack in packs))


def _write_manifest(home: Path, data: DataSet, cut: Cut, prepared: Prepared) -> None:
    """For people: nothing is read from it."""
    size = sum(pack.path.stat().st_size for pack in prepared.packs)
    manifest = data.describe() | {"cut": asdict(cut), **prepared.to_json(), "bytes": size}
    (home / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


@contextlib.contextmanager
def _only_process(home: Path) -> Iterator[None]:
    """Hold the folder; the system lets go of it when the process ends, however it does."""
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in home.glob("*.part"):
            leftover.unlink()
        yield


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
