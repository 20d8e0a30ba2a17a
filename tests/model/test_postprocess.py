"""Decoding, thresholds and suppression, against slow plain references and the published network's outputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from model.boxes import iou_xyxy
from model.errors import BadMaps, BadSetting
from model.postprocess import MAX_CANDIDATES, decode, detections, nms

ANCHORS = (((10.0, 14.0), (23.0, 27.0), (37.0, 58.0)), ((81.0, 82.0), (135.0, 169.0), (216.0, 269.0)))
STRIDES = (16, 32)
CLASSES = ("person", "car", "two-wheeler")


def random_maps(seed: int, batch: int = 1, height: int = 192, width: int = 256) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = [(batch, 3, height // s, width // s, 5 + len(CLASSES)) for s in STRIDES]
    return [rng.normal(-1, 2, shape).astype(np.float32) for shape in shapes]


def quiet_maps(batch: int = 1, height: int = 192, width: int = 256) -> list[np.ndarray]:
    return [np.full_like(m, -12) for m in random_maps(0, batch, height, width)]


def plain_nms(xyxy: np.ndarray, score: np.ndarray, label: np.ndarray, iou: float) -> list[int]:
    """The definition, one pair at a time."""
    kept: list[int] = []
    for i in sorted(range(len(score)), key=lambda i: (-score[i], i)):
        if all(label[k] != label[i] or iou_xyxy(xyxy[k], xyxy[i]) <= iou for k in kept):
            kept.append(i)
    return kept


@pytest.mark.shared
@pytest.mark.parametrize("name", ["res10-ee", "resnet34-cat"])
def test_decode_equals_the_published_network(shared: Path, name: str) -> None:
    golden = np.load(shared / "golden" / f"{name}.npz")
    yaml = json.loads((shared / "golden" / "meta.json").read_text())[name]["yaml"]
    anchors = [list(zip(level[::2], level[1::2], strict=True)) for level in yaml["anchors"]]
    decoded = decode([golden["p4"], golden["p5"]], anchors, STRIDES)
    assert decoded.dtype == np.float64
    np.testing.assert_allclose(decoded, golden["decoded"], atol=1e-9, rtol=0)


def test_one_cell_becomes_one_box_at_its_place() -> None:
    maps = quiet_maps()
    maps[0][0, 1, 3, 5] = [0, 0, 0, 0, 9, -9, 9, -9]  # sigmoid 0.5: centre of the cell, size of the anchor
    (found,) = detections(maps, ANCHORS, STRIDES, CLASSES, threshold=0.5, iou=0.5)
    assert found.label.tolist() == [1]
    centre, size = (5.5 * 16, 3.5 * 16), ANCHORS[0][1]
    wanted = [
        centre[0] - size[0] / 2,
        centre[1] - size[1] / 2,
        centre[0] + size[0] / 2,
        centre[1] + size[1] / 2,
    ]
    np.testing.assert_allclose(found.xyxy, [wanted], atol=1e-4)
    assert found.score[0] == pytest.approx(1 / (1 + np.exp(-9)) ** 2, rel=1e-6)


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.3, 0.9])
def test_detections_are_decode_then_threshold_then_nms(threshold: float, multi_label: bool) -> None:
    maps = random_maps(1)
    every = decode(maps, ANCHORS, STRIDES)[0]
    score = every[:, 4:5] * every[:, 5:]
    passes = score >= np.float32(threshold)
    if not multi_label:
        passes &= score == score.max(1, keepdims=True)
    cell, label = np.nonzero(passes)
    half = every[cell, 2:4] / 2
    xyxy = np.concatenate([every[cell, :2] - half, every[cell, :2] + half], 1)
    inside = ((xyxy[:, :2] < [256, 192]) & (xyxy[:, 2:] > 0) & (half > 0)).all(1)
    xyxy, cell, label = xyxy[inside], cell[inside], label[inside]
    kept = plain_nms(xyxy, score[cell, label], label, 0.45)[:300]
    (found,) = detections(
        maps, ANCHORS, STRIDES, CLASSES, threshold=threshold, iou=0.45, multi_label=multi_label
    )
    assert found.label.tolist() == label[kept].tolist()
    np.testing.assert_allclose(found.score, score[cell, label][kept], rtol=1e-5)
    np.testing.assert_allclose(found.xyxy, np.clip(xyxy[kept], 0, [256, 192] * 2), atol=1e-3)


def test_rows_of_a_batch_do_not_touch_each_other() -> None:
    maps = random_maps(2, batch=3)
    together = detections(maps, ANCHORS, STRIDES, CLASSES, threshold=0.3, iou=0.5)
    for row, found in enumerate(together):
        (alone,) = detections(
            [m[row : row + 1] for m in maps], ANCHORS, STRIDES, CLASSES, threshold=0.3, iou=0.5
        )
        np.testing.assert_array_equal(found.xyxy, alone.xyxy)
        np.testing.assert_array_equal(found.score, alone.score)


def test_best_score_comes_first_and_boxes_lie_in_the_grid() -> None:
    (found,) = detections(random_maps(3), ANCHORS, STRIDES, CLASSES, threshold=0.1, iou=0.6)
    assert len(found) > 20
    assert (np.diff(found.score) <= 0).all()
    assert (found.xyxy >= 0).all()
    assert (found.xyxy <= [256, 192, 256, 192]).all()
    assert (found.xyxy[:, 2:] > found.xyxy[:, :2]).all()


@pytest.mark.parametrize("shift", [0.0, 321.0, 5_000.0, 1e6])
def test_classes_never_suppress_each_other_however_large_the_picture(shift: float) -> None:
    box = np.array([[0, 0, 400, 300], [1, 0, 401, 300], [0, 0, 400, 300]], np.float64) + shift
    kept = nms(box, np.array([0.9, 0.8, 0.7]), np.array([0, 1, 0]), 0.5)
    assert kept.tolist() == [0, 1]


@pytest.mark.parametrize("seed", range(5))
def test_nms_equals_its_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low = rng.random((120, 2)) * 80
    xyxy = np.concatenate([low, low + 5 + rng.random((120, 2)) * 40], 1)
    score, label = rng.random(120).round(1), rng.integers(0, 3, 120)
    assert nms(xyxy, score, label, 0.4).tolist() == plain_nms(xyxy, score, label, 0.4)


def test_iou_limits_are_what_they_say() -> None:
    xyxy = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [9, 9, 19, 19]], np.float64)
    score, label = np.array([0.9, 0.8, 0.7]), np.zeros(3, np.int64)
    assert nms(xyxy, score, label, 1.0).tolist() == [0, 1, 2]
    assert nms(xyxy, score, label, 0.0).tolist() == [0]


def test_max_detections_keeps_the_best() -> None:
    (every,) = detections(random_maps(4), ANCHORS, STRIDES, CLASSES, threshold=0.05, iou=0.9)
    (few,) = detections(random_maps(4), ANCHORS, STRIDES, CLASSES, threshold=0.05, iou=0.9, max_detections=7)
    np.testing.assert_array_equal(few.score, every.score[:7])


def test_candidates_are_bounded_and_the_best_stay() -> None:
    maps = random_maps(5, height=640, width=640)
    assert sum(m[..., 0].size for m in maps) * len(CLASSES) > MAX_CANDIDATES
    bounded, calm = (
        detections(maps, ANCHORS, STRIDES, CLASSES, threshold=t, iou=0.5, multi_label=True)[0]
        for t in (0.0, 0.5)
    )
    assert len(bounded) == 300
    strong = bounded.above(0.5)
    np.testing.assert_array_equal(strong.score, calm.score[: len(strong)])


def test_nothing_passes_on_a_quiet_map() -> None:
    (found,) = detections(quiet_maps(), ANCHORS, STRIDES, CLASSES, threshold=0.01, iou=0.5)
    assert len(found) == 0
    assert found.classes == CLASSES


def test_huge_logits_stay_finite() -> None:
    maps = [np.full_like(m, 3e38) for m in random_maps(0)]
    (found,) = detections(maps, ANCHORS, STRIDES, CLASSES, threshold=1.0, iou=0.5)
    assert found.score.tolist() == [1.0] * len(found)
    assert len(found)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1.01])
@pytest.mark.parametrize("setting", ["threshold", "iou"])
def test_a_threshold_outside_its_range_is_refused_by_name(setting: str, value: float) -> None:
    settings = {"threshold": 0.5, "iou": 0.5} | {setting: value}
    with pytest.raises(BadSetting, match=rf"{setting} is .*0 to 1"):
        detections(quiet_maps(), ANCHORS, STRIDES, CLASSES, **settings)


def test_zero_boxes_may_not_be_asked_for() -> None:
    with pytest.raises(BadSetting, match="max_detections is 0"):
        detections(quiet_maps(), ANCHORS, STRIDES, CLASSES, threshold=0.5, iou=0.5, max_detections=0)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_maps_that_are_not_finite_are_refused(poison: float) -> None:
    maps = quiet_maps()
    maps[1][0, 2, 1, 1, 0] = poison
    with pytest.raises(BadMaps, match="map 1 holds NaN or infinity"):
        detections(maps, ANCHORS, STRIDES, CLASSES, threshold=0.5, iou=0.5)


def test_maps_of_another_network_are_refused() -> None:
    maps = quiet_maps()
    with pytest.raises(BadMaps, match=r"map 0 has shape .* 8\).* 7\)"):
        detections(maps, ANCHORS, STRIDES, ("car", "person"), threshold=0.5, iou=0.5)
    with pytest.raises(BadMaps, match="1 maps for 2"):
        detections(maps[:1], ANCHORS, STRIDES, CLASSES, threshold=0.5, iou=0.5)
