"""`AutomotiveFolder`: where Prophesee's two automotive data sets keep their recordings and boxes.

::

    ROOT/train/NAME_td.dat          events; 1 Mpx also comes as NAME_td.dat.h5 or NAME_td.h5
    ROOT/train/NAME_bbox.npy        boxes
    ROOT/val/...  ROOT/test/...

Splits may lie one folder deeper (`detection_dataset_duration_60s_ratio_1.0/train`), be one folder an archive
(`train_a`, `train_b`) and have folders within.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np

from training.datasets import Split, TimedBoxes
from training.datasets.recorded import RecordedPart
from training.errors import BadDataset

EVENTS = ("_td.dat", "_td.dat.h5", "_td.h5")
"""What follows the name of a recording; the first that is there is read."""
BOXES = "_bbox.npy"
MAX_WIDTH_SHARE = 0.9
"""Some published boxes span the frame without an object; wider ones than this are not trained on."""

ReadLabels = Callable[[Path], TimedBoxes]


@dataclass(frozen=True, slots=True)
class AutomotiveFolder:
    """Recordings beside their boxes, in folders by split.

    Attributes:
        root: what the data set was unpacked to.
        size: (width, height) of the sensor.
        name: of the data set, for messages.
    """

    root: Path
    size: tuple[int, int]
    name: str

    def parts(self, split: Split, read: ReadLabels) -> Sequence[RecordedPart]:
        """The recordings of a split by name; none where the split has no folder.

        Boxes wholly outside the sensor are left out: the published ones have some. So are the widest boxes of
        the training split (`MAX_WIDTH_SHARE`).

        Args:
            split: which one.
            read: the labels of one `_bbox.npy`; can be pickled.

        Raises:
            BadDataset: no split is there, a split is empty, or recordings without labels or the reverse.
        """
        base = self._base()
        events, boxes = _files(base, split, EVENTS), _files(base, split, (BOXES,))
        _check_pairs(events, boxes)
        if not boxes and _folders(base, split):
            raise BadDataset(
                f"{base / split}: holds no recording of {self.name}; NAME{EVENTS[0]} beside NAME{BOXES} are "
                "expected there. Unpack it again, or remove the folder."
            )
        return [self._part(name, events[name], boxes[name], split, read) for name in sorted(boxes)]

    def recordings(self) -> dict[str, int]:
        """How many recordings each split has."""
        base = self._base()
        return {split: len(_files(base, split, (BOXES,))) for split in get_args(Split)}

    def _part(self, name: str, events: Path, boxes: Path, split: Split, read: ReadLabels) -> RecordedPart:
        max_width_px = MAX_WIDTH_SHARE * self.size[0] if split == "train" else np.inf
        labels = partial(_not_too_wide, read, boxes, max_width_px)
        return RecordedPart(name, events, labels, labels=boxes, size=self.size, drop_outside=True)

    def _base(self) -> Path:
        if not self.root.is_dir():
            raise BadDataset(f"{self.root}: found no such folder; give the one {self.name} was unpacked to")
        inner = sorted(path for path in self.root.iterdir() if path.is_dir())
        for base in (self.root, *inner):
            if any(_folders(base, split) for split in get_args(Split)):
                return base
        found = ", ".join(path.name for path in inner[:8]) or "none"
        raise BadDataset(
            f"{self.root}: holds the folders {found}; {self.name} has train, val and test with "
            f"NAME{EVENTS[0]} beside NAME{BOXES}. Give the folder that holds these three."
        )


def _folders(base: Path, split: str) -> list[Path]:
    """The folders of a split: `train`, or `train_a`, `train_b`."""
    names = (
        path for path in base.glob(f"{split}*") if path.name == split or path.name.startswith(f"{split}_")
    )
    return sorted(path for path in names if path.is_dir())


def _files(base: Path, split: str, suffixes: Sequence[str]) -> dict[str, Path]:
    """Files of a split by the name of their recording; of several the first by `suffixes`."""
    found: dict[str, Path] = {}
    for folder in _folders(base, split):
        for suffix in suffixes:
            for path in folder.rglob("*" + suffix):
                found.setdefault(path.relative_to(base).as_posix().removesuffix(suffix), path)
    return found


def _check_pairs(events: Mapping[str, Path], boxes: Mapping[str, Path]) -> None:
    for name in sorted(events.keys() - boxes.keys()):
        raise BadDataset(
            f"{events[name]}: has no labels; {Path(name).name}{BOXES} is expected beside it. Unpack the "
            "labels too, or move the recording away."
        )
    for name in sorted(boxes.keys() - events.keys()):
        raise BadDataset(
            f"{boxes[name]}: has no recording; {Path(name).name} with {', '.join(EVENTS)} is expected beside "
            "it. Unpack the recordings too, or move the labels away."
        )


def _not_too_wide(read: ReadLabels, path: Path, max_width_px: float) -> TimedBoxes:
    boxes = read(path)
    narrow = boxes.xyxy[:, 2] - boxes.xyxy[:, 0] <= max_width_px
    return TimedBoxes(boxes.moments, boxes.t_us[narrow], boxes.xyxy[narrow], boxes.label[narrow])
