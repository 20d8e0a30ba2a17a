"""Counts of a step to the network's input, in torch operations that export to ONNX as well."""

from __future__ import annotations

import torch
from torch import Tensor

from model.card import Encoding

LOG_SCALE = 1.6
EVENT_CEILING = {"counts": 4.0, "binary": 1.0}
BACKGROUND, OFF, ON = 127 / 255, 0.0, 1.0


def encode(counts: Tensor, encoding: Encoding, dtype: torch.dtype = torch.float32) -> Tensor:
    """(..., C, H, W) counts of any type to (..., C', H, W) input.

    - "log1p": log(1 + count) / 1.6, two channels.
    - "counts": events up to 4, two channels; "binary": 1 where there are events. Each event acts on the first
      layer as a spike.
    - "painted": the published event frames, three identical channels: 127/255 where nothing happened, 1 for
      ON, 0 for OFF. There the last event of a pixel wins; counts no longer know the order, so here the more
      frequent polarity wins, and ON when both are equal. That differs only where a pixel saw both
      polarities within one step.
    - "frame": 0..255 to 0..1, three channels as they are.
    """
    values = counts.to(dtype)
    if encoding == "log1p":
        return torch.log1p(values) / LOG_SCALE
    if encoding in EVENT_CEILING:
        return values.clamp_max(EVENT_CEILING[encoding])
    if encoding == "frame":
        return values / 255
    off, on = values[..., :1, :, :], values[..., 1:, :, :]
    polarity = torch.where(on >= off, ON, OFF).to(dtype)
    painted = torch.where(on + off > 0, polarity, torch.full_like(polarity, BACKGROUND))
    return painted.expand(*painted.shape[:-3], 3, *painted.shape[-2:])
