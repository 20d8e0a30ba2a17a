"""`RecordedPart`: a recording and its labels, cut into windows in one streaming pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training.datasets import Cut, LabelledWindow, TimedBoxes


@dataclass(frozen=True, slots=True)
class RecordedPart:
    """A recording that `streaming.sources.open_recording` reads, and how to read its labels.

    Attributes:
        name: unique within the data set and the same at every start.
        recording: the file.
        read_labels: reads them; called when the windows are asked for, raises BadDataset.
        shift_us: added to the labels' times to get the recording's.
    """

    name: str
    recording: Path
    read_labels: Callable[[], TimedBoxes]
    shift_us: int = 0

    def windows(self, cut: Cut) -> Iterator[LabelledWindow]:
        """As `Part.windows`."""
        raise NotImplementedError
