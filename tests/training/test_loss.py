"""CIoU by hand, and what the loss rewards and ignores."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.layout import Layout, anchor_free, named_layout
from model.postprocess import decode
from training.assign import Assignment, Targets, assign
from training.assign_free import assign_free, side_ranges
from training.iou import cxcywh_ciou
from training.loss import detection_loss

LAYOUT = replace(named_layout("ems-nano", classes=3), anchors=(((19.0, 46.0),), ((78.0, 150.0),)))


def raw_maps(obj: float = -6.0) -> list[Tensor]:
    """Maps of a 64 x 96 grid, two rows, three classes, nothing found."""
    maps = [torch.zeros(2, 1, 4, 6, 8), torch.zeros(2, 1, 2, 3, 8)]
    for each in maps:
        each[..., 4] = obj
    return maps


def targets(cxcywh: list[float] | None, ignore: list[float] | None = None, label: int = 1) -> Targets:
    k, m = int(cxcywh is not None), int(ignore is not None)
    row, ignore_row = torch.zeros(k, dtype=torch.int64), torch.zeros(m, dtype=torch.int64)
    box = torch.tensor([cxcywh] if k else []).view(-1, 4)
    region = torch.tensor([ignore] if m else []).view(-1, 4)
    return Targets(row, torch.full((k,), label), box, ignore_row, region)


def ciou(a: list[float], b: list[float]) -> float:
    return float(cxcywh_ciou(torch.tensor([a]), torch.tensor([b])))


def test_ciou_of_equal_boxes_is_one() -> None:
    assert ciou([5, 6, 4, 8], [5, 6, 4, 8]) == pytest.approx(1, abs=1e-5)


def test_ciou_of_shifted_boxes() -> None:
    # 4 x 4 boxes 2 apart: IoU 8 / 24; enclosing box 6 x 4, centre distance 2; equal aspects.
    assert ciou([2, 2, 4, 4], [4, 2, 4, 4]) == pytest.approx(8 / 24 - 4 / 52, abs=1e-5)


def test_ciou_counts_the_aspect() -> None:
    iou = 4 / (8 + 8 - 4)
    v = 4 / math.pi**2 * (math.atan(2) - math.atan(0.5)) ** 2
    assert ciou([0, 0, 4, 2], [0, 0, 2, 4]) == pytest.approx(iou - v * v / (v - iou + 1), abs=1e-5)


def test_ciou_of_distant_boxes_is_negative_and_has_a_gradient() -> None:
    a = torch.tensor([[0.0, 0.0, 2.0, 2.0]], requires_grad=True)
    value = cxcywh_ciou(a, torch.tensor([[50.0, 0.0, 2.0, 2.0]]))
    torch.autograd.backward(value.sum())
    assert value.item() < 0
    assert a.grad is not None
    assert float(a.grad[0, 0]) > 0


def test_the_right_answer_costs_less_than_any_part_wrong() -> None:
    # Anchor-sized box in the middle of cell (1, 2): raw xy 0 and wh 0 decode to it exactly.
    truth = targets([40, 24, 19, 46])
    right = raw_maps()
    right[0][0, 0, 1, 2, 4:] = torch.tensor([6.0, -6.0, 6.0, -6.0])
    good = detection_loss(right, truth, LAYOUT)
    missed = detection_loss(raw_maps(), truth, LAYOUT)
    wrong_class = detection_loss(right, targets([40, 24, 19, 46], label=2), LAYOUT)
    wrong_box = detection_loss(right, targets([40, 24, 38, 90]), LAYOUT)
    assert float(good.total) < float(missed.total)
    assert float(good.cls) < float(wrong_class.cls)
    assert float(good.box) < float(wrong_box.box)


def answering(layout: Layout, truth: Targets, level: int, shape: tuple[int, int]) -> Assignment:
    stride = layout.strides[level]
    if layout.boxes == "free":
        return assign_free(
            truth, side_ranges([size for (size,) in layout.anchors], 4.0)[level], stride, shape
        )
    return assign(truth, layout.anchors[level], stride, shape, 4.0)


@pytest.mark.parametrize("layout", [named_layout("ems-nano", classes=3), anchor_free(LAYOUT)])
@pytest.mark.parametrize("spread", [1.0, 30.0])
def test_the_loss_judges_the_boxes_that_run_time_decodes(layout: Layout, spread: float) -> None:
    rng = torch.Generator().manual_seed(1)
    shapes = [(2, len(a), 64 // s, 96 // s, 8) for a, s in zip(layout.anchors, layout.strides, strict=True)]
    maps = [spread * torch.randn(shape, generator=rng) for shape in shapes]
    truth = targets([41, 23, 40, 60])
    wanted = 0.0
    for level, raw in enumerate(maps):
        every = decode([raw.numpy()], layout.anchors[level : level + 1], layout.strides[level : level + 1])
        cxcywh = torch.from_numpy(every).view(raw.shape)[..., :4]
        at = answering(layout, truth, level, (raw.shape[2], raw.shape[3]))
        assert len(at.box) >= 3
        picked = cxcywh[at.row, at.anchor, at.y, at.x]
        wanted += float((1 - cxcywh_ciou(picked, truth.cxcywh[at.box])).mean())
    loss = detection_loss(maps, truth, layout)
    assert float(loss.box) == pytest.approx(wanted, rel=1e-5)


def test_without_anchors_both_levels_learn_a_box_of_middle_size() -> None:
    layout = anchor_free(LAYOUT)
    maps = [each.requires_grad_() for each in raw_maps(obj=0.0)]
    torch.autograd.backward(detection_loss(maps, targets([40, 24, 60, 70]), layout).total)
    for level in maps:
        assert level.grad is not None
        assert bool((level.grad[0, 0, ..., :4] != 0).any())
        assert not bool((level.grad[1, 0, ..., :4] != 0).any())


def test_regions_to_ignore_cost_nothing() -> None:
    maps = raw_maps()
    maps[0][0, 0, 1, 2, 4] = 8.0
    fooled = detection_loss(maps, targets(None), LAYOUT)
    excused = detection_loss(maps, targets(None, ignore=[33, 17, 47, 31]), LAYOUT)
    nothing = detection_loss(raw_maps(), targets(None), LAYOUT)
    assert float(fooled.obj) > 10 * float(excused.obj)
    assert float(excused.obj) == pytest.approx(float(nothing.obj), rel=0.05)


def test_a_batch_without_boxes_still_teaches_silence() -> None:
    maps = [each.requires_grad_() for each in raw_maps(obj=0.0)]
    loss = detection_loss(maps, targets(None), LAYOUT)
    torch.autograd.backward(loss.total)
    assert float(loss.box) == float(loss.cls) == 0
    assert maps[0].grad is not None
    assert bool((maps[0].grad[..., 4] > 0).all())


def test_half_precision_maps_are_taken() -> None:
    maps = [each.bfloat16() for each in raw_maps()]
    loss = detection_loss(maps, targets([40, 24, 19, 46]), LAYOUT)
    assert loss.total.dtype == torch.float32
