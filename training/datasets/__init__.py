"""Labelled windows: `LabelledWindow` and the Protocol that gives them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class LabelledWindow:
    """The event counts of one window at sensor resolution, kept sparse, with its boxes.

    Attributes:
        shape: (T, 2, height, width) of the dense counts; channel 0 is OFF, channel 1 is ON.
        cell: (N,) uint32, flat index into the dense counts, each at most once.
        count: (N,) uint8, events there, at least 1, saturated at 255.
        xyxy: (K, 4) float32, boxes at the window's end, sensor pixels.
        label: (K,) int64, index into the dataset's classes.
        ignore: (M, 4) float32, regions where neither a box nor its absence counts, sensor pixels.
    """

    shape: tuple[int, int, int, int]
    cell: NDArray[np.uint32]
    count: NDArray[np.uint8]
    xyxy: NDArray[np.float32]
    label: NDArray[np.int64]
    ignore: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        counts: NDArray[np.integer],
        xyxy: NDArray[np.float32],
        label: NDArray[np.int64],
        ignore: NDArray[np.float32],
    ) -> LabelledWindow:
        """A window of dense `counts` (T, 2, H, W), any integer type."""
        flat = counts.reshape(-1)
        cell = np.flatnonzero(flat)
        return cls(
            shape=(counts.shape[0], counts.shape[1], counts.shape[2], counts.shape[3]),
            cell=cell.astype(np.uint32),
            count=np.minimum(flat[cell], 255).astype(np.uint8),
            xyxy=np.asarray(xyxy, np.float32).reshape(-1, 4),
            label=np.asarray(label, np.int64).reshape(-1),
            ignore=np.asarray(ignore, np.float32).reshape(-1, 4),
        )

    def dense(self) -> NDArray[np.uint16]:
        """(T, 2, H, W) uint16 counts."""
        counts = np.zeros(self.shape, np.uint16)
        counts.reshape(-1)[self.cell] = self.count
        return counts


class WindowDataset(Protocol):
    """A finite, ordered set of labelled windows."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[LabelledWindow]: ...
