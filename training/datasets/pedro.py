"""`Pedro`: PEDRo, people seen by a carried DAVIS346 (Boretti et al. 2023).

::

    ROOT/numpy/train/frame0013230.npy       events of 40 ms, (N, 4): t in microseconds, x, y, polarity
    ROOT/xml/train/frame0013230.xml         boxes at its end, Pascal VOC
    ROOT/numpy/val/...  ROOT/numpy/test/...

The folder `yolo` holds the same boxes and is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

from training.datasets import BoxRule, Part, Split
from training.datasets.labels.voc import read_voc
from training.datasets.recorded import Bundle, RecordedPart
from training.errors import BadDataset

WIDTH, HEIGHT = 346, 260
CLASSES = ("person",)
RULE = BoxRule(min_diagonal_px=0.0, min_side_px=0.0, skip_us=0)
"""All boxes count, as published; every clip is all there is of its moment."""
BUNDLE = 64
"""Clips of one part."""
EVENTS, BOXES = "numpy", "xml"


@dataclass(frozen=True, slots=True)
class Pedro:
    """`training.datasets.DataSet` of the published folders.

    Attributes:
        root: the folder that holds `numpy` and `xml`.
        rule: which boxes are labels.
    """

    root: Path
    rule: BoxRule = RULE

    @property
    def classes(self) -> tuple[str, ...]:
        return CLASSES

    def parts(self, split: Split) -> Sequence[Part]:
        """As `DataSet.parts`, many clips each.

        Raises:
            BadDataset: the folders are not laid out so, or clips without labels or the reverse.
        """
        return [
            Bundle(f"{split}/{clips[0]}", [self._part(split, name) for name in clips])
            for clips in _in_bundles(self._clips(split))
        ]

    def describe(self) -> dict[str, Any]:
        """As `DataSet.describe`."""
        return {
            "data": "PEDRo",
            "sensor": [WIDTH, HEIGHT],
            "classes": list(self.classes),
            "recordings": {split: len(self._clips(split)) for split in get_args(Split)},
            "rule": asdict(self.rule),
        }

    def _part(self, split: Split, name: str) -> RecordedPart:
        boxes = self.root / BOXES / split / f"{name}.xml"
        return RecordedPart(
            name=f"{split}/{name}",
            recording=self.root / EVENTS / split / f"{name}.npy",
            read_labels=partial(read_voc, boxes, CLASSES),
            labels=boxes,
            size=(WIDTH, HEIGHT),
        )

    def _clips(self, split: Split) -> list[str]:
        events, boxes = self._names(EVENTS, split, ".npy"), self._names(BOXES, split, ".xml")
        for name in sorted(events ^ boxes):
            have, lack = (EVENTS, BOXES) if name in events else (BOXES, EVENTS)
            raise BadDataset(
                f"{self.root / have / split / name}: has no counterpart in {self.root / lack / split}. "
                f"Unpack {lack} too, or move the file away."
            )
        return sorted(events)

    def _names(self, kind: str, split: Split, suffix: str) -> set[str]:
        if not (self.root / kind).is_dir():
            raise BadDataset(
                f"{self.root}: holds no folder {kind}; PEDRo has {EVENTS}/train/NAME.npy with "
                f"{BOXES}/train/NAME.xml, and val and test alike. Give the folder that holds {EVENTS}."
            )
        return {path.stem for path in (self.root / kind / split).glob(f"*{suffix}")}


def _in_bundles(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[first : first + BUNDLE] for first in range(0, len(names), BUNDLE)]
