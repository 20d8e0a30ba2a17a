"""CIoU of boxes that belong together, for the loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def cxcywh_ciou(a: Tensor, b: Tensor, eps: float = 1e-7) -> Tensor:
    """Complete IoU of the boxes of equal index (Zheng et al., AAAI 2020, eqs. 6-11).

    Args:
        a: (N, 4) predicted boxes, centre and size, any one unit.
        b: (N, 4) true boxes in the same unit.
        eps: keeps empty boxes finite.

    Returns:
        (N,), 1 for equal boxes, down to -1.5 for boxes far apart.
    """
    a_low, a_high = a[:, :2] - a[:, 2:] / 2, a[:, :2] + a[:, 2:] / 2
    b_low, b_high = b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2
    overlap = (torch.minimum(a_high, b_high) - torch.maximum(a_low, b_low)).clamp(0).prod(1)
    iou = overlap / (a[:, 2:].prod(1) + b[:, 2:].prod(1) - overlap + eps)
    diagonal = (torch.maximum(a_high, b_high) - torch.minimum(a_low, b_low)).square().sum(1) + eps
    distance = (a[:, :2] - b[:, :2]).square().sum(1)
    angle = torch.atan(b[:, 2] / (b[:, 3] + eps)) - torch.atan(a[:, 2] / (a[:, 3] + eps))
    aspect = 4 / math.pi**2 * angle.square()
    with torch.no_grad():
        trade = aspect / (aspect - iou + 1 + eps)
    return iou - distance / diagonal - trade * aspect
