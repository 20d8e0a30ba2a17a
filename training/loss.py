"""The YOLOv5 detection loss over raw maps, with regions to ignore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from model.layout import Layout
from training.assign import Assignment, Targets, assign
from training.assign_free import assign_free, side_ranges
from training.iou import cxcywh_ciou


@dataclass(frozen=True, slots=True)
class LossSettings:
    """Weights of the loss's parts.

    The published recipe scales its gains (0.05, 1.0, 0.5) by the number of levels and classes and by the
    image area relative to 640 x 640; these weigh means as they stand, so that they do not hang on the grid.

    Attributes:
        box: weight of 1 - CIoU, averaged over assigned anchors.
        obj: weight of the objectness, averaged over all anchors.
        cls: weight of the classes, averaged over assigned anchors.
        balance: weight of each level's objectness, finest first.
        anchor_ratio: largest factor between a box's side and its anchor's; without anchors, between the
            longer sides of a box and of its level's size.
        firing: weight of the mean firing rate, each layer weighted by its synapses; it saves energy.
        iou_target: how much of an anchor's objectness target is its box's CIoU, the rest being 1.
    """

    box: float = 1.0
    obj: float = 4.0
    cls: float = 0.5
    balance: tuple[float, ...] = (2.0, 1.0)
    anchor_ratio: float = 4.0
    iou_target: float = 0.5
    firing: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """Sum and parts of one batch's loss; all scalars, the parts weighted and detached."""

    total: Tensor
    box: Tensor
    obj: Tensor
    cls: Tensor

    def plus(self, penalty: Tensor) -> Loss:
        """The same parts with a penalty in the sum."""
        return replace(self, total=self.total + penalty)


def detection_loss(
    maps: Sequence[Tensor],
    targets: Targets,
    layout: Layout,
    settings: LossSettings | None = None,
) -> Loss:
    """Box, objectness and class loss of a batch.

    Args:
        maps: per level (B, A, ny, nx, 5 + K) raw output of the head, any float type.
        targets: true boxes and regions to ignore, grid cells.
        layout: of the network that gave the maps.
        settings: weights of the parts.
    """
    settings = settings or LossSettings()
    box = obj = cls = torch.zeros((), device=maps[0].device)
    for level, (raw, sizes, stride) in enumerate(zip(maps, layout.anchors, layout.strides, strict=True)):
        raw = raw.float()
        shape = (raw.shape[2], raw.shape[3])
        chosen = _assigned(targets, layout, level, shape, settings.anchor_ratio)
        picked = raw[chosen.row, chosen.anchor, chosen.y, chosen.x]  # (N, 5 + K)
        ciou = cxcywh_ciou(_decode(picked, chosen, sizes, stride), targets.cxcywh[chosen.box])
        goal = _objectness_target(raw, chosen, ciou.detach(), settings.iou_target)
        obj = obj + settings.balance[level] * _objectness(raw[..., 4], goal, targets, stride)
        if len(picked):
            wanted = F.one_hot(targets.label[chosen.box], picked.shape[1] - 5).to(picked.dtype)
            box = box + (1 - ciou).mean()
            cls = cls + F.binary_cross_entropy_with_logits(picked[:, 5:], wanted)
    parts = (settings.box * box, settings.obj * obj, settings.cls * cls)
    return Loss(sum(parts, torch.zeros_like(box)), *(part.detach() for part in parts))


def _assigned(
    targets: Targets, layout: Layout, level: int, shape: tuple[int, int], ratio: float
) -> Assignment:
    stride = layout.strides[level]
    if layout.boxes == "free":
        sizes = [size for (size,) in layout.anchors]
        return assign_free(targets, side_ranges(sizes, ratio)[level], stride, shape)
    return assign(targets, layout.anchors[level], stride, shape, ratio)


def _decode(
    picked: Tensor, chosen: Assignment, anchors: Sequence[tuple[float, float]], stride: int
) -> Tensor:
    """(N, 5 + K) raw values to (N, 4) boxes cxcywh in grid cells, as `model.postprocess.decode`."""
    sizes = picked.new_tensor(anchors)[chosen.anchor]
    cell = torch.stack([chosen.x, chosen.y], 1)
    prob = picked[:, :4].sigmoid()
    centre = (2 * prob[:, :2] - 0.5 + cell) * stride
    return torch.cat([centre, (2 * prob[:, 2:]).square() * sizes], 1)


def _objectness_target(raw: Tensor, chosen: Assignment, ciou: Tensor, share: float) -> Tensor:
    goal = torch.zeros_like(raw[..., 4])
    value = (1 - share) + share * ciou.clamp(0, 1)
    # Where two boxes claim one anchor the better fit counts, whatever their order.
    order = value.argsort()
    at = (chosen.row[order], chosen.anchor[order], chosen.y[order], chosen.x[order])
    goal[at] = value[order]
    return goal


def _objectness(logit: Tensor, goal: Tensor, targets: Targets, stride: int) -> Tensor:
    each = F.binary_cross_entropy_with_logits(logit, goal, reduction="none")
    counts = ~(_ignored(logit.shape, targets, stride)[:, None] & (goal == 0))
    return (each * counts).mean()


def _ignored(shape: torch.Size, targets: Targets, stride: int) -> Tensor:
    """(B, ny, nx) bool: cells whose centre lies in a region to ignore."""
    batch, _, ny, nx = shape
    mask = torch.zeros(batch, ny, nx, dtype=torch.bool, device=targets.ignore_xyxy.device)
    if not len(targets.ignore_row):
        return mask
    x = (torch.arange(nx, device=mask.device) + 0.5) * stride
    y = (torch.arange(ny, device=mask.device) + 0.5) * stride
    x0, y0, x1, y1 = targets.ignore_xyxy[:, :, None].unbind(1)
    inside = ((y >= y0) & (y < y1))[:, :, None] & ((x >= x0) & (x < x1))[:, None]  # (M, ny, nx)
    count = torch.zeros_like(mask, dtype=torch.int32).index_add_(0, targets.ignore_row, inside.int())
    return count > 0
