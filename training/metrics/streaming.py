"""Streaming accuracy: an answer is held against what is true when it is out, not when it was asked.

Source: sAP (Li, Wang & Ramanan, "Towards Streaming Perception", ECCV 2020, arXiv 2005.10420). At every moment
the newest answer that is out counts, however old it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.detections import Detections
from training.metrics import Truth

DROPPED = -1


@dataclass(frozen=True, slots=True, eq=False)
class TimedAnswer:
    """What was found in a window.

    Attributes:
        end_us: end of the window.
        out_us: when the answer was out.
        found: its boxes.
    """

    end_us: int
    out_us: int
    found: Detections


def out_times(ready_us: NDArray[np.int64], cost_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """When one processor, which takes the steps in order, has the answer of each window.

    A window is dropped whole where the processor comes to it when the next one is complete already, as live
    streams do.

    Args:
        ready_us: (W, T) when each step of each window is complete, rising.
        cost_us: (W, T) time that each takes; the answer's own belongs to the last step.

    Returns:
        (W,) microseconds, `DROPPED` for dropped windows.
    """
    out = np.full(len(ready_us), DROPPED, np.int64)
    free_us = 0
    for window, (ready, cost) in enumerate(zip(ready_us, cost_us, strict=True)):
        if window + 1 < len(ready_us) and free_us >= ready_us[window + 1, -1]:
            continue
        for step_us, step_cost_us in zip(ready, cost, strict=True):
            free_us = max(free_us, int(step_us)) + int(step_cost_us)
        out[window] = free_us
    return out


def newest_out(answers: Sequence[TimedAnswer], moments_us: Sequence[int]) -> list[TimedAnswer | None]:
    """The answer that a user has at each moment, None before the first; `answers` in order of `out_us`."""
    out_us = [answer.out_us for answer in answers]
    index = np.searchsorted(out_us, moments_us, side="right") - 1
    return [answers[i] if i >= 0 else None for i in index]


def paired(
    answers: Sequence[TimedAnswer],
    truth: Sequence[tuple[int, Truth]],
    classes: tuple[str, ...],
) -> tuple[list[Detections], list[Truth]]:
    """What a user sees and what is true at each moment of `truth` (microseconds, boxes)."""
    seen = newest_out(answers, [t_us for t_us, _ in truth])
    found = [Detections.empty(classes) if each is None else each.found for each in seen]
    return found, [each for _, each in truth]
