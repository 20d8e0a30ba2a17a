"""`RecordingFolder`: any folder of recordings with boxes beside them.

::

    ROOT/train/drive1.raw  ROOT/val/drive2.raw  ROOT/test/...     or all in ROOT: a tenth, by name, is val

with one of

- VOC: `drive1.xml`
- YOLO: `drive1.txt`, and `ROOT/classes.txt`, a name a line
- Prophesee: `drive1_bbox.npy` (of `drive1.raw` or `drive1_td.dat`), and `ROOT/classes.txt`
- COCO: JSON files in ROOT, ROOT/annotations or the splits' folders; `file_name` is the path of a recording
  from there, from ROOT or from a split's folder

`ROOT/classes.txt` also fixes the order for VOC and COCO; without it that is by name for VOC, by id for COCO.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from training.datasets import BoxRule, Part, Split
from training.datasets.labels import read_classes
from training.datasets.labels.coco import CocoFile, read_coco
from training.datasets.labels.formats import BesideFormat, InCoco, LabelFormat, format_beside
from training.errors import BadDataset

RULE = BoxRule(min_diagonal_px=0.0, min_side_px=0.0, skip_us=0)
"""All boxes count: nobody knows the sensor."""
RECORDINGS = (".raw", ".dat", ".aedat4", ".h5", ".hdf5", ".npy", ".npz", ".es", ".csv")
BOXES = "_bbox.npy"
CLASSES = "classes.txt"
HELD_OUT_OF = 10


class RecordingFolder:
    """`training.datasets.DataSet` of a folder.

    Args:
        root: the folder.
        rule: which boxes are labels.
    """

    def __init__(self, root: Path, *, rule: BoxRule = RULE) -> None:
        self.root = root
        self.rule = rule

    @property
    def classes(self) -> tuple[str, ...]:
        """As `DataSet.classes`.

        Raises:
            BadDataset: nobody says what the classes are.
        """
        return self._format.classes

    def parts(self, split: Split) -> Sequence[Part]:
        """As `DataSet.parts`.

        Raises:
            BadDataset: recordings without labels, or labels in a format of their own.
        """
        return [self._format.part(self._name(path), path) for path in self._splits[split]]

    def describe(self) -> dict[str, Any]:
        """As `DataSet.describe`."""
        return {
            "data": f"a folder of recordings with {self._format.name} boxes",
            "classes": list(self.classes),
            "recordings": {split: len(paths) for split, paths in self._splits.items()},
            "rule": asdict(self.rule),
        }

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    @cached_property
    def _splits(self) -> dict[Split, list[Path]]:
        names: tuple[Split, ...] = get_args(Split)
        if any((self.root / split).is_dir() for split in names):
            found = {split: _recordings(self.root / split) for split in names}
        else:
            found = _by_hash(self.root, _recordings(self.root))
        if not any(found.values()):
            raise BadDataset(
                f"{self.root}: holds no recording ({', '.join(RECORDINGS)}), neither in itself nor in train, "
                "val and test"
            )
        return found

    @cached_property
    def _format(self) -> LabelFormat:
        recordings = [path for paths in self._splits.values() for path in paths]
        known = read_classes(self.root / CLASSES) if (self.root / CLASSES).exists() else None
        files = self._coco_files()
        if files:
            return InCoco.of(files, [self.root, *self._folders()], known)
        return BesideFormat.of(format_beside(recordings[0]), recordings, known, self.root / CLASSES)

    def _folders(self) -> list[Path]:
        return [self.root / split for split in get_args(Split) if (self.root / split).is_dir()]

    def _coco_files(self) -> list[CocoFile]:
        folders = [self.root, self.root / "annotations", *self._folders()]
        return [read_coco(path) for folder in folders for path in sorted(folder.glob("*.json"))]


def _recordings(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in RECORDINGS and not path.name.endswith(BOXES) and path.is_file()
    )


def _by_hash(root: Path, recordings: Sequence[Path]) -> dict[Split, list[Path]]:
    """A recording keeps its split whatever others come and go, but for the last one of val."""
    digests = {path: _hash(path.relative_to(root).as_posix()) for path in recordings}
    val = [path for path in recordings if digests[path] % HELD_OUT_OF == 0]
    if not val and len(recordings) > 1:
        val = [min(recordings, key=lambda path: digests[path])]
    return {"train": [path for path in recordings if path not in val], "val": val, "test": []}


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
