"""`Gen1`: the Prophesee Gen1 automotive data set, cars and people seen by a 304 x 240 ATIS.

39 hours in recordings of a minute, boxes at 1, 2 or 4 Hz (de Tournemire et al. 2020). A window here holds
the events just before its label, oldest bin first; boxes are in sensor pixels and never stretched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.datasets import BoxRule, Part, Split, TimedBoxes
from training.datasets.automotive import AutomotiveFolder
from training.datasets.prophesee import read_bbox_npy, to_timed_boxes

WIDTH, HEIGHT = 304, 240
CLASSES = ("car", "person")
"""By class id; the data set calls the second pedestrian."""


RULE = BoxRule(min_diagonal_px=30.0, min_side_px=10.0, skip_us=500_000)
"""As published for this sensor."""


@dataclass(frozen=True, slots=True)
class Gen1:
    """`training.datasets.DataSet` of the folders train, val and test of `NAME_td.dat` and `NAME_bbox.npy`.

    Attributes:
        root: the folder that holds them, or the one above.
        rule: which boxes are labels.
    """

    root: Path
    rule: BoxRule = RULE

    @property
    def classes(self) -> tuple[str, ...]:
        return CLASSES

    def parts(self, split: Split) -> Sequence[Part]:
        """As `DataSet.parts`.

        Raises:
            BadDataset: the folders are not laid out so.
        """
        return self._folder.parts(split, _read)

    def describe(self) -> dict[str, Any]:
        """As `DataSet.describe`."""
        return {
            "data": "Prophesee Gen1 automotive detection",
            "sensor": [WIDTH, HEIGHT],
            "classes": list(self.classes),
            "recordings": self._folder.recordings(),
            "rule": asdict(self.rule),
        }

    @property
    def _folder(self) -> AutomotiveFolder:
        return AutomotiveFolder(self.root, (WIDTH, HEIGHT), "Gen1")


def _read(path: Path) -> TimedBoxes:
    return to_timed_boxes(read_bbox_npy(path), range(len(CLASSES)), str(path))
