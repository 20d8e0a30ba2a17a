"""Which objects count: a detector can only find what made events.

Objects with a lively outline become labels; those hardly visible become ignored regions, where finding
something is neither right nor wrong; hidden ones are nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from streaming.simulate.brush import NOBODY, Ownership
from streaming.simulate.placing import THING

LABEL, IGNORE, NOTHING = 0, 1, 2


@dataclass(frozen=True)
class VisibilityRule:
    """When an object is a label.

    Chosen where a trained detector begins to find people at all: it found 36 % of the labelled ones, but only
    5 % of those with fewer than 5 event pixels, 5 % of those lively on less than 1 %, 3 % of those visible by
    less than 0.15 and 14 % of those by less than 0.3. The rim hardly tells them apart. Of people less than
    0.12 of the picture high it found 4 %, of those in whose box events fill more than 0.8 of the pixels 3 %.

    Attributes:
        min_height: of the clipped box, share of the picture's height.
        min_visible: share of the whole silhouette that is in view and not hidden.
        min_rim: share of the visible outline that saw events.
        min_lively: share of the visible silhouette that saw events.
        min_events_px: pixels of the render grid with events on the object.
        max_active: share of the box's sensor pixels that saw events; above it there is no shape to see.
        trace: visible share from which an object is at least ignored.
        margin: how much wider than the silhouette a box is, share of its side; half on each side.
    """

    min_height: float = 0.12
    min_visible: float = 0.3
    min_rim: float = 0.16
    min_lively: float = 0.03
    min_events_px: float = 10
    max_active: float = 0.75
    trace: float = 0.04
    margin: float = 0.03


def lively_pixels(log_intensity: Tensor, threshold: Tensor, active: Tensor) -> Tensor:
    """(B, h, w) bool: the picture changed by more than a threshold, and the sensor said so within a pixel.

    Args:
        log_intensity: (B, K, h, w).
        threshold: (B, 1, 1) mean contrast threshold.
        active: (B, H, W) float, above 0 where the sensor emitted events.
    """
    changed = log_intensity.amax(1) - log_intensity.amin(1) > 1.1 * threshold
    seen = F.adaptive_max_pool2d(active[:, None], changed.shape[1:])
    return changed & (F.max_pool2d(seen, 3, 1, 1)[:, 0] > 0)


@dataclass(frozen=True)
class Evidence:
    """What can be seen of N objects, each (N,).

    Attributes:
        height: of the clipped box, share of the picture's.
        visible: share of the whole silhouette that is in view and not hidden.
        rim: share of the visible outline that saw events.
        lively: share of the visible silhouette that saw events.
        events_px: pixels of the render grid with events on the object.
    """

    height: Tensor
    visible: Tensor
    rim: Tensor
    lively: Tensor
    events_px: Tensor


def judge(rule: VisibilityRule, xyxy: Tensor, ownership: Ownership, lively: Tensor) -> Tensor:
    """(N,) int64: LABEL, IGNORE or NOTHING; arguments as of `weigh`."""
    seen = weigh(xyxy, ownership, lively)
    good = (seen.height >= rule.min_height) & (seen.visible > rule.min_visible)
    good &= (seen.rim > rule.min_rim) & (seen.lively > rule.min_lively)
    good &= seen.events_px >= rule.min_events_px
    verdict = torch.where(seen.visible >= rule.trace, IGNORE, NOTHING)
    return torch.where(good, LABEL, verdict)


def weigh(xyxy: Tensor, ownership: Ownership, lively: Tensor) -> Evidence:
    """What can be seen of N objects.

    Args:
        xyxy: (N, 4) silhouettes on the render grid, not clipped.
        lively: (B, h, w) from `lively_pixels`.
    """
    height, width = ownership.owner.shape[1:]
    clipped = clip(xyxy, width, height)
    owned, rim, lively_rim, lively_body = _count(ownership.owner, lively, len(xyxy))
    return Evidence(
        (clipped[:, 3] - clipped[:, 1]) / height, visible_share(xyxy, ownership),
        lively_rim / rim.clamp_min(1), lively_body / owned.clamp_min(1), lively_body,
    )  # fmt: skip


def active_share(active: Tensor, xyxy: Tensor, scene: Tensor) -> Tensor:
    """(N,) share of the pixels in each box that saw events.

    Args:
        active: (B, H, W) float, 1 where the sensor emitted events, else 0.
        xyxy: (N, 4) boxes inside the sensor, px.
        scene: (N,) int64, picture of each.
    """
    above = F.pad(active.cumsum(1).cumsum(2), (1, 0, 1, 0))
    x0, y0, x1, y1 = xyxy.round().long().unbind(1)
    inside = above[scene, y1, x1] - above[scene, y0, x1] - above[scene, y1, x0] + above[scene, y0, x0]
    return inside / ((x1 - x0) * (y1 - y0)).clamp_min(1)


def settle(verdict: Tensor, label: Tensor) -> Tensor:
    """(N,) verdicts by class: things are nothing, lorries and crowds at most ignored.

    Args:
        verdict: (N,) from `judge`.
        label: (N,) classes, see `placing.py`.
    """
    unrated = torch.where(verdict == NOTHING, NOTHING, IGNORE)
    return torch.where(label == THING, NOTHING, torch.where(label < THING, unrated, verdict))


def visible_share(xyxy: Tensor, ownership: Ownership) -> Tensor:
    """(N,) share of each whole silhouette (N, 4) px that is inside the picture and behind nothing."""
    height, width = ownership.owner.shape[1:]
    inside = box_area(clip(xyxy, width, height)) / box_area(xyxy).clamp_min(1e-3)
    owned = _per_object(ownership.owner, ownership.owner != NOBODY, len(xyxy))
    return owned / ownership.covered.clamp_min(1) * inside.clamp(0, 1)


def _per_object(owner: Tensor, mask: Tensor, objects: int) -> Tensor:
    """(N,) float: pixels of each object under `mask`."""
    names = (owner[mask] + 1).long()
    return torch.bincount(names, minlength=objects + 1)[1:].float()


def _count(owner: Tensor, lively: Tensor, objects: int) -> tuple[Tensor, ...]:
    """Per object (N,) float: pixels owned, on the rim, lively on the rim, lively at all."""
    framed = F.pad(owner, (1, 1, 1, 1), value=NOBODY)
    middle = framed[:, 1:-1, 1:-1]
    rim = torch.zeros_like(lively)
    for other in (framed[:, :-2, 1:-1], framed[:, 2:, 1:-1], framed[:, 1:-1, :-2], framed[:, 1:-1, 2:]):
        rim |= middle != other
    around = F.max_pool2d(lively[:, None].float(), 3, 1, 1)[:, 0] > 0
    masks = (owner != NOBODY, rim, rim & around, lively)
    return tuple(_per_object(owner, mask, objects) for mask in masks)


def clip(xyxy: Tensor, width: float, height: float) -> Tensor:
    """(N, 4) boxes cut off at the border of a `width` x `height` picture."""
    limit = torch.tensor([width, height, width, height], device=xyxy.device)
    return torch.minimum(xyxy.clamp_min(0), limit)


def loosen(xyxy: Tensor, margin: float) -> Tensor:
    """Boxes wider by `margin` of their sides: people who draw boxes leave a little room."""
    side = (xyxy[:, 2:] - xyxy[:, :2]) * (margin / 2)
    return torch.cat((xyxy[:, :2] - side, xyxy[:, 2:] + side), 1)


def box_area(xyxy: Tensor) -> Tensor:
    """(N,) of (N, 4); 0 for empty boxes."""
    return (xyxy[:, 2] - xyxy[:, 0]).clamp_min(0) * (xyxy[:, 3] - xyxy[:, 1]).clamp_min(0)
