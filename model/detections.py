"""`Detections`: the one form boxes take, checked at birth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Boxes of one answer, best score first.

    Attributes:
        xyxy: (N, 4) float32, left, top, right, bottom, in the pixels its maker states.
        score: (N,) float32 in 0..1.
        label: (N,) int64, index into `classes`.
        classes: names of the labels.

    Raises:
        ValueError: lengths differ, a number is not finite, a label is not among `classes`.
    """

    xyxy: NDArray[np.float32]
    score: NDArray[np.float32]
    label: NDArray[np.int64]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.score)
        if self.xyxy.shape != (n, 4) or self.score.shape != (n,) or self.label.shape != (n,):
            raise ValueError(
                f"detections need xyxy (N, 4), score (N,) and label (N,), got "
                f"{self.xyxy.shape}, {self.score.shape}, {self.label.shape}"
            )
        if not (np.isfinite(self.xyxy).all() and np.isfinite(self.score).all()):
            raise ValueError("detections hold a box or score that is not finite")
        if n and not 0 <= int(self.label.min()) <= int(self.label.max()) < len(self.classes):
            raise ValueError(f"a label lies outside the {len(self.classes)} classes")

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, index: slice | NDArray[Any]) -> Detections:
        return replace(self, xyxy=self.xyxy[index], score=self.score[index], label=self.label[index])

    @classmethod
    def empty(cls, classes: tuple[str, ...]) -> Detections:
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), classes)

    def with_xyxy(self, xyxy: NDArray[np.float32]) -> Detections:
        """The same objects with boxes in other coordinates."""
        return replace(self, xyxy=xyxy)

    def above(self, threshold: float) -> Detections:
        """Only those whose score is at least `threshold`."""
        return self[self.score >= threshold]
