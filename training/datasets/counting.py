"""`WindowCounter`: the sparse counts of one window out of a stream's packets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numba import types
from numpy.typing import NDArray

from streaming.compiled import I64, READ_I64, READ_U8, READ_U16, WRITE_U8, compiled
from streaming.events import Events

Sparse: TypeAlias = tuple[NDArray[np.uint32], NDArray[np.uint8]]
WRITE_U32 = types.Array(types.uint32, 1, "C")


class WindowCounter:
    """Counts events of a `width` x `height` sensor in windows of `steps` steps of `step_us`."""

    def __init__(self, steps: int, step_us: int, width: int, height: int) -> None:
        self.shape = (steps, 2, height, width)
        self.step_us = step_us
        self._counts = np.zeros(steps * 2 * height * width, np.uint8)  # all zero between two windows

    def count(self, packets: Iterable[Events], end_us: int) -> Sparse:
        """Cells in rising order and the events in each, as in `LabelledWindow`.

        Args:
            packets: contiguous, on the sensor, together all events of the window; others are passed over.
            end_us: end of the window, exclusive.
        """
        steps, _, height, width = self.shape
        filled = 0
        for e in packets:
            filled += _add(
                e.t_us, e.x, e.y, e.p, end_us, self.step_us, steps, width, height, self._counts
            )  # fmt: skip
        cell, count = np.empty(filled, np.uint32), np.empty(filled, np.uint8)
        _take(self._counts, cell, count)
        return cell, count


@compiled(
    I64, READ_I64, READ_U16, READ_U16, READ_U8, types.int64, types.int64, types.int64, types.int64,
    types.int64, WRITE_U8,
)  # fmt: skip
def _add(
    t_us: NDArray[np.int64],
    x: NDArray[np.uint16],
    y: NDArray[np.uint16],
    p: NDArray[np.uint8],
    end_us: int,
    step_us: int,
    steps: int,
    width: int,
    height: int,
    counts: NDArray[np.uint8],
) -> int:
    """Add the events of one packet that lie in the window, saturating; return how many cells were empty."""
    begin_us = end_us - steps * step_us
    filled = 0
    for i in range(np.searchsorted(t_us, begin_us), np.searchsorted(t_us, end_us)):
        step = (t_us[i] - begin_us) // step_us
        at = ((step * 2 + p[i]) * height + y[i]) * width + x[i]
        was = counts[at]
        filled += was == 0
        counts[at] = was + (was != 255)
    return filled


@compiled(types.void, WRITE_U8, WRITE_U32, WRITE_U8)
def _take(counts: NDArray[np.uint8], cell: NDArray[np.uint32], count: NDArray[np.uint8]) -> None:
    """Move what is not zero from the dense `counts` to `cell` and `count`."""
    n = 0
    for at in range(len(counts)):
        if counts[at]:
            cell[n], count[n] = at, counts[at]
            counts[at] = 0
            n += 1
