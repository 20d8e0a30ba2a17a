"""`Step`: the unit of everything after a source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ResetReason = Literal["start", "gap", "backward_time"]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Event counts of one time step on the model's grid.

    Attributes:
        counts: (2, H, W) uint16, events per cell; channel 0 is OFF, channel 1 is ON (the polarity is the
            index); saturates at 65535.
        t_us: (start, end) in microseconds, end exclusive; end - start is the model's `step_us`, also of a
            recording's last step, which its events may not fill.
        events: how many events are in `counts`.
        newest_us: time of the newest event counted so far in this stream, for latency.
        reset: why the state before this step must be forgotten, None where time simply went on.
    """

    counts: NDArray[np.uint16]
    t_us: tuple[int, int]
    events: int
    newest_us: int
    reset: ResetReason | None = None
