"""`Dsec`: DSEC-Detection, eight classes seen by the left 640 x 480 event camera of a car.

::

    ROOT/train/SEQUENCE/events/left/events.h5
    ROOT/train/SEQUENCE/object_detections/left/tracks.npy
    ROOT/test/SEQUENCE/...

60 sequences, boxes at the 20 Hz of the frame camera (Gehrig and Scaramuzza 2024). Boxes lie in the pixels of
the event camera as it is, distorted: events are read as recorded, `rectify_map.h5` is not needed. Times of
boxes and of the frames are absolute; the reader adds `t_offset` to those of the events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, get_args

from training.datasets import BoxRule, Part, Split, TimedBoxes
from training.datasets.prophesee import read_bbox_npy, to_timed_boxes
from training.datasets.recorded import RecordedPart
from training.errors import BadDataset

WIDTH, HEIGHT = 640, 480
CLASSES = ("person", "rider", "car", "bus", "truck", "bicycle", "motorcycle", "train")
"""By class id; the data set calls the first pedestrian."""
TWO_CLASSES = ("car", "person")
TWO_CLASSES_OF = {"person": "person", "car": "car", "bus": "car", "truck": "car"}
"""The published protocol of two classes; riders, what they ride and trains are dropped."""
PROTOCOLS = (len(TWO_CLASSES), len(CLASSES))
VALIDATION = tuple(f"zurich_city_{number}_a" for number in range(16, 22))
"""Sequences in the folder train that are the validation split."""
EVENTS = Path("events/left/events.h5")
BOXES = Path("object_detections/left/tracks.npy")
RULE = BoxRule(min_diagonal_px=30.0, min_side_px=10.0, skip_us=0)
"""Sizes as for other sensors of such pixels; its first labels are as good as the others."""


class Dsec:
    """`training.datasets.DataSet` of DSEC with the detection labels unpacked into it.

    Args:
        root: the folder that holds train and test.
        classes: 8, or 2 as published: car (with bus and truck) and person.
        rule: which boxes are labels.

    Raises:
        BadDataset: another number of classes.
    """

    def __init__(self, root: Path, classes: int = len(CLASSES), *, rule: BoxRule = RULE) -> None:
        if classes not in PROTOCOLS:
            raise BadDataset(
                f"found {classes} classes for DSEC-Detection; 8 are all, 2 are car (with bus and truck) and "
                "person as published"
            )
        self.classes = CLASSES if classes == len(CLASSES) else TWO_CLASSES
        self.rule = rule
        self._root = root

    def parts(self, split: Split) -> Sequence[Part]:
        """As `DataSet.parts`; the validation split is the published six sequences of the folder train.

        Raises:
            BadDataset: the folders are not laid out so, or a sequence has no labels.
        """
        return [self._part(sequence) for sequence in self._sequences(split)]

    def describe(self) -> dict[str, Any]:
        """As `DataSet.describe`."""
        return {
            "data": "DSEC-Detection, left event camera",
            "sensor": [WIDTH, HEIGHT],
            "classes": list(self.classes),
            "recordings": {split: len(self._sequences(split)) for split in get_args(Split)},
            "rule": asdict(self.rule),
        }

    def _sequences(self, split: Split) -> list[Path]:
        folder = self._root / ("test" if split == "test" else "train")
        if not (self._root / "train").is_dir() and not (self._root / "test").is_dir():
            raise BadDataset(
                f"{self._root}: holds no folder train or test; DSEC-Detection has train/SEQUENCE/{EVENTS} "
                f"and train/SEQUENCE/{BOXES}. Give the folder that holds train."
            )
        sequences = sorted(path for path in folder.glob("*") if path.is_dir())
        if split == "test":
            return sequences
        return [path for path in sequences if (path.name in VALIDATION) == (split == "val")]

    def _part(self, sequence: Path) -> RecordedPart:
        events, boxes = sequence / EVENTS, sequence / BOXES
        for path, what in ((events, "events"), (boxes, "labels")):
            if not path.is_file():
                raise BadDataset(
                    f"{sequence}: has no {what} at {path.relative_to(sequence)}. Unpack them into DSEC, or "
                    "move the sequence away."
                )
        read = partial(_read, self.classes, boxes)
        name = f"{sequence.parent.name}/{sequence.name}"
        return RecordedPart(name, events, read, labels=boxes, size=(WIDTH, HEIGHT), drop_outside=True)


def _read(classes: tuple[str, ...], path: Path) -> TimedBoxes:
    merged = CLASSES if classes == CLASSES else [TWO_CLASSES_OF.get(name) for name in CLASSES]
    label_of = [None if name is None else classes.index(name) for name in merged]
    return to_timed_boxes(read_bbox_npy(path), label_of, str(path))
