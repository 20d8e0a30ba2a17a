"""What the conventional twin sees: windows of many short steps as windows of one long step."""

from __future__ import annotations

import torch
from torch import Tensor

from model.card import EVENT_ENCODINGS, Encoding
from model.layout import Layout
from training.errors import BadTraining


def seen_by(layout: Layout, counts: Tensor, encoding: Encoding) -> Tensor:
    """(T, B, C, H, W) counts as a network takes them: the conventional twin sees all steps as one.

    Events of the steps are added up; a picture is the same at every step.
    """
    if layout.activation != "relu":
        return counts
    return merge_steps(counts, 1) if encoding in EVENT_ENCODINGS else counts[-1:]


def merge_steps(counts: Tensor, steps: int) -> Tensor:
    """Add up neighbouring steps, so that `steps` equal ones are left.

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
