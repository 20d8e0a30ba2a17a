"""Reading out a state that lasts: how steps fade in it, and when nothing is left of them. Torch-free.

The head reads sum(decay^k * x[t-k]) / sum(decay^k) over all steps since the reset, k = 0 for the newest. A
step of any engine gives that where `Layout.readout_decay` is below 1: `State.head_sums` holds the sum above,
`networks.readout_weight` is the one below. With a decay of 1 the mean would forget nothing.
"""

from __future__ import annotations

import math
from dataclasses import replace

from model.layout import Layout

FORGOTTEN = 0.01
"""A share of a step in the readout, or of a membrane, below which it counts as forgotten."""
MOST_SILENT_STEPS = 32


def rolling_decay(steps: int) -> float:
    """The decay of a mean whose steps are as old, on average, as those of the plain mean over `steps`.

    (T - 1) / 2 = decay / (1 - decay); at least that of two steps, as a decay is above 0.
    """
    steps = max(2, steps)
    return (steps - 1) / (steps + 1)


def lasting(layout: Layout, steps: int) -> Layout:
    """The layout whose readout forgets: its own decay where it has one, else `rolling_decay` of T."""
    if layout.readout_decay < 1:
        return layout
    return replace(layout, readout_decay=rolling_decay(steps))


def silent_steps(layout: Layout, steps: int) -> int:
    """Empty steps in a row after which what was before is forgotten: at least T, at most 32 (or T).

    By then a step's share in the readout, and of a membrane that did not fire, is below `FORGOTTEN`.
    """
    slowest = max(layout.readout_decay, layout.neuron.leak)
    if slowest >= 1:
        return max(steps, MOST_SILENT_STEPS)
    needed = math.ceil(math.log(FORGOTTEN) / math.log(slowest)) if slowest > 0 else 1
    return max(steps, min(needed, MOST_SILENT_STEPS))
