"""Box arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model.boxes import clip_xyxy, cxcywh_to_xyxy, iou_xyxy, xyxy_area, xyxy_to_cxcywh

side = st.floats(0, 1e4, allow_nan=False)


def test_centre_form_and_corner_form_name_the_same_box() -> None:
    assert cxcywh_to_xyxy(np.array([[10.0, 20.0, 4.0, 8.0]])).tolist() == [[8, 16, 12, 24]]
    assert xyxy_to_cxcywh(np.array([[8.0, 16.0, 12.0, 24.0]])).tolist() == [[10, 20, 4, 8]]


@given(arrays(np.float64, (5, 4), elements=side))
def test_conversion_there_and_back_is_the_identity(boxes: np.ndarray) -> None:
    np.testing.assert_allclose(xyxy_to_cxcywh(cxcywh_to_xyxy(boxes)), boxes, atol=1e-9)


def test_dtype_is_kept() -> None:
    boxes = np.ones((2, 4), np.float32)
    assert cxcywh_to_xyxy(boxes).dtype == xyxy_to_cxcywh(boxes).dtype == np.float32
    assert clip_xyxy(boxes, 1, 1).dtype == iou_xyxy(boxes, boxes).dtype == np.float32


def test_clip_leaves_a_box_outside_without_area() -> None:
    boxes = np.array([[-5.0, -5.0, 5.0, 5.0], [300.0, 0.0, 310.0, 10.0]])
    cut = clip_xyxy(boxes, 256, 192)
    assert cut.tolist() == [[0, 0, 5, 5], [256, 0, 256, 10]]
    assert xyxy_area(cut).tolist() == [25, 0]


@pytest.mark.parametrize(
    ("other", "iou"),
    [
        ([0.0, 0.0, 10.0, 10.0], 1.0),
        ([5.0, 0.0, 15.0, 10.0], 1 / 3),
        ([10.0, 0.0, 20.0, 10.0], 0.0),
        ([50.0, 50.0, 60.0, 60.0], 0.0),
        ([2.0, 2.0, 4.0, 4.0], 0.04),
    ],
)
def test_iou_of_known_pairs(other: list[float], iou: float) -> None:
    assert iou_xyxy(np.array([0.0, 0.0, 10.0, 10.0]), np.array(other)) == pytest.approx(iou)


def test_boxes_without_area_overlap_by_nothing() -> None:
    point = np.zeros((1, 4))
    assert iou_xyxy(point, point).tolist() == [0.0]
    assert xyxy_area(np.array([[5.0, 5.0, 1.0, 9.0]])).tolist() == [0.0]


def test_all_pairs_by_broadcasting() -> None:
    first, second = np.random.default_rng(0).random((2, 6, 4))
    first, second = cxcywh_to_xyxy(first), cxcywh_to_xyxy(second)
    pairs = iou_xyxy(first[:, None], second[None])
    assert pairs.shape == (6, 6)
    assert pairs[2, 3] == iou_xyxy(first[2], second[3])
    np.testing.assert_allclose(pairs, iou_xyxy(second[:, None], first[None]).T)
