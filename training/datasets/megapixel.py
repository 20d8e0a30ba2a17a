"""`Megapixel`: the Prophesee 1 Mpx automotive data set, seven classes seen by a 1280 x 720 Gen4 sensor.

15 hours in recordings of a minute, boxes at 30 or 60 Hz (Perot et al. 2020). Published results are of three
classes: pedestrians, two-wheelers and cars, where trucks and buses are no cars; all other boxes are dropped.
They see half the resolution; here the letterbox of the network does that, and boxes stay in sensor pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.datasets import BoxRule, Part, Split, TimedBoxes
from training.datasets.automotive import AutomotiveFolder
from training.datasets.prophesee import read_bbox_npy, to_timed_boxes
from training.errors import BadDataset

WIDTH, HEIGHT = 1280, 720
CLASSES = ("person", "two-wheeler", "car", "truck", "bus", "traffic sign", "traffic light")
"""By class id; the data set calls the first two pedestrian and two wheeler."""
PROTOCOLS = (3, len(CLASSES))


RULE = BoxRule(min_diagonal_px=60.0, min_side_px=20.0, skip_us=500_000)
"""As published for this sensor."""
SPACING_US = 90_000
"""Keeps ten moments a second, as published: every sixth at 60 Hz, every third at 30 Hz."""


class Megapixel:
    """`training.datasets.DataSet` of the folders train, val and test of `NAME_td.dat` and `NAME_bbox.npy`.

    Args:
        root: the folder that holds them, or the one above.
        classes: 7, or the first 3 alone as published; boxes of the others are dropped.
        spacing_us: moments lie at least so far apart; 0 keeps all.
        rule: which boxes are labels.

    Raises:
        BadDataset: another number of classes.
    """

    def __init__(
        self, root: Path, classes: int = len(CLASSES), *, spacing_us: int = SPACING_US, rule: BoxRule = RULE
    ) -> None:
        if classes not in PROTOCOLS:
            raise BadDataset(
                f"found {classes} classes for 1 Mpx; 7 are all, 3 are {', '.join(CLASSES[:3])} as published"
            )
        self.classes = CLASSES[:classes]
        self.rule = rule
        self._spacing_us = spacing_us
        self._folder = AutomotiveFolder(root, (WIDTH, HEIGHT), "1 Mpx")

    def parts(self, split: Split) -> Sequence[Part]:
        """As `DataSet.parts`.

        Raises:
            BadDataset: the folders are not laid out so.
        """
        parts = self._folder.parts(split, partial(_read, len(self.classes), self._spacing_us))
        # The cache knows a part by its name: another spacing is another part.
        return [replace(part, name=f"{part.name}@{self._spacing_us}us") for part in parts]

    def describe(self) -> dict[str, Any]:
        """As `DataSet.describe`."""
        return {
            "data": "Prophesee 1 Mpx automotive detection",
            "sensor": [WIDTH, HEIGHT],
            "classes": list(self.classes),
            "spacing_us": self._spacing_us,
            "recordings": self._folder.recordings(),
            "rule": asdict(self.rule),
        }


def _read(classes: int, spacing_us: int, path: Path) -> TimedBoxes:
    label_of = [label if label < classes else None for label in range(len(CLASSES))]
    boxes = to_timed_boxes(read_bbox_npy(path), label_of, str(path))
    moments = _spaced(boxes.moments, spacing_us)
    at = np.isin(boxes.t_us, moments)
    return TimedBoxes(moments, boxes.t_us[at], boxes.xyxy[at], boxes.label[at])


def _spaced(moments: NDArray[np.int64], spacing_us: int) -> NDArray[np.int64]:
    """The first moment, and each that follows the last one kept by `spacing_us` or more."""
    kept: list[int] = []
    for moment in moments.tolist():
        if not kept or moment - kept[-1] >= spacing_us:
            kept.append(moment)
    return np.array(kept, np.int64)
