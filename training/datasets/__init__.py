"""Labelled windows, and the Protocol of data sets that give them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from training.augment.events import paint_events
from training.augment.views import View

Split = Literal["train", "val", "test"]


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

    def counts_in(self, view: View, grid: tuple[int, int]) -> NDArray[np.uint8]:
        """As `training.augment.Labelled.counts_in`."""
        return paint_events(self.cell, self.count, self.shape, view, grid)

    def dense(self) -> NDArray[np.uint16]:
        """(T, 2, H, W) uint16 counts."""
        counts = np.zeros(self.shape, np.uint16)
        counts.reshape(-1)[self.cell] = self.count
        return counts


@dataclass(frozen=True, slots=True, eq=False)
class TimedBoxes:
    """The labels of one recording.

    Attributes:
        moments: (M,) int64 microseconds, not decreasing: every moment that was labelled, those without a box
            among them. A window ends at each.
        t_us: (K,) int64 microseconds, not decreasing: the moment of each box, one of `moments`.
        xyxy: (K, 4) float32, sensor pixels; may reach over the border.
        label: (K,) int64, index into the data set's classes, or `IGNORED`.
        size: (width, height) of the sensor that the boxes are of, None where the labels do not say.
    """

    moments: NDArray[np.int64]
    t_us: NDArray[np.int64]
    xyxy: NDArray[np.float32]
    label: NDArray[np.int64]
    size: tuple[int, int] | None = None


IGNORED = -1
"""Label of a region where neither a box nor its absence counts."""


@dataclass(frozen=True, slots=True)
class BoxRule:
    """Which boxes are labels; the others are regions to ignore (`Prophesee` protocol, Perot et al. 2020).

    Attributes:
        min_diagonal_px, min_side_px: smaller boxes are not labels.
        skip_us: labels of the first so many microseconds of a recording are left out.
    """

    min_diagonal_px: float = 30.0
    min_side_px: float = 10.0
    skip_us: int = 500_000


@dataclass(frozen=True, slots=True)
class Cut:
    """How labelled windows are cut out of recordings.

    Attributes:
        steps: T, time steps of a window, which ends at the label's moment.
        step_us: length of a step, microseconds.
        rule: which boxes are labels.
    """

    steps: int = 5
    step_us: int = 8_000
    rule: BoxRule = BoxRule()


class Part(Protocol):
    """One recording with its labels."""

    @property
    def name(self) -> str:
        """Unique within the data set and the same at every start."""
        ...

    @property
    def files(self) -> Sequence[Path]:
        """The files that its windows come from."""
        ...

    def windows(self, cut: Cut) -> Iterator[LabelledWindow]:
        """Its windows in order of time, in one streaming pass.

        Raises:
            BadDataset: the labels or the recording are missing or mean nothing; names the file.
        """
        ...


class DataSet(Protocol):
    """Labelled recordings on disk."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def rule(self) -> BoxRule:
        """Which of its boxes are labels."""
        ...

    def parts(self, split: Split) -> Sequence[Part]:
        """The recordings of a split, always in the same order."""
        ...

    def describe(self) -> dict[str, Any]:
        """What a card says of the data, as JSON values; no paths of this machine."""
        ...
