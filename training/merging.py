"""`merge_steps`: windows of many short steps as windows of fewer, longer ones."""

from __future__ import annotations

import torch
from torch import Tensor

from training.errors import BadTraining


def merge_steps(counts: Tensor, steps: int) -> Tensor:
    """Add up neighbouring steps, so that `steps` equal ones are left; the conventional twin reads one.

    Shape: (T, B, C, H, W) of any integer type to (steps, B, C, H, W); int32 where steps were added.

    Raises:
        BadTraining: T is no multiple of `steps`.
    """
    found = counts.shape[0]
    if found == steps:
        return counts
    if steps < 1 or found % steps:
        raise BadTraining(
            f"a window of {found} steps cannot become {steps} equal ones; give a divisor of {found}"
        )
    by_step = counts.view(steps, found // steps, *counts.shape[1:])
    return by_step.sum(1, dtype=torch.int32)
