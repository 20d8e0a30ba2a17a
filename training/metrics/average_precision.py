"""`average_precision`: AP by the COCO protocol, per class and per size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from model.detections import Detections
from training.metrics import Truth

COCO_PICTURE = 640 * 480
COCO_SIDES = (32, 96)
SIZES = ("small", "medium", "large")
IOUS, RECALLS, LARGEST = 10, 101, 1e10


@dataclass(frozen=True, slots=True)
class SizeScores:
    """Average precision of the boxes of one size, 0..1.

    Attributes:
        from_side, to_side: the size's limits, as the sides of a square of the same area, in cells; None is
            without limit.
        boxes: true boxes of that size.
        map50, map50_95: means over classes that have any, NaN without.
    """

    from_side: float
    to_side: float | None
    boxes: int
    map50: float
    map50_95: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Average precision over IoU thresholds, 0..1, NaN for a class without true boxes.

    Attributes:
        map50: mean over classes at IoU 0.5.
        map50_95: mean over classes and IoU 0.5, 0.55 ... 0.95.
        ap50, ap50_95: the same by class name.
        sizes: by "small", "medium" and "large", empty where no picture size was given.
        precision50: by class name, precision at IoU 0.5 and recall 0, 0.01 ... 1.
    """

    map50: float
    map50_95: float
    ap50: dict[str, float]
    ap50_95: dict[str, float]
    sizes: dict[str, SizeScores]
    precision50: dict[str, tuple[float, ...]]


def size_limits(picture: tuple[int, int]) -> tuple[float, float]:
    """Sides that part small from medium and medium from large boxes in a (width, height) picture.

    COCO parts at areas of 32^2 and 96^2 in pictures of about 640 x 480. The same shares of the picture's area
    are taken here: on a grid of 256 x 192 that is 12.8^2 and 38.4^2 cells.
    """
    scale = float(np.sqrt(picture[0] * picture[1] / COCO_PICTURE))
    return COCO_SIDES[0] * scale, COCO_SIDES[1] * scale


def average_precision(
    found: Sequence[Detections],
    truth: Sequence[Truth],
    classes: tuple[str, ...],
    picture: tuple[int, int] | None = None,
) -> Scores:
    """COCO average precision (101 recall points, at most 100 boxes an image), regions to ignore as crowds.

    Args:
        found: detections of each image, as many as the network has, with a threshold near 0.
        truth: the same images' true boxes.
        classes: names of the labels.
        picture: (width, height) of the images, for the figures by size.
    """
    areas = [(0.0, LARGEST)]
    if picture is not None:
        low, high = size_limits(picture)
        areas += [(0.0, low**2), (low**2, high**2), (high**2, LARGEST)]
    precision = _coco_precision(found, truth, classes, areas)
    by_class = precision.mean(1)  # (IoU, class, area)
    ap50 = dict(zip(classes, by_class[0, :, 0].tolist(), strict=True))
    ap50_95 = dict(zip(classes, by_class[:, :, 0].mean(0).tolist(), strict=True))
    return Scores(
        map50=_mean(by_class[0, :, 0]),
        map50_95=_mean(by_class[:, :, 0].mean(0)),
        ap50=ap50,
        ap50_95=ap50_95,
        sizes={
            name: _size_scores(by_class[:, :, k], area, truth)
            for k, (name, area) in enumerate(zip(SIZES, areas[1:], strict=False), start=1)
        },
        precision50={name: tuple(precision[0, :, k, 0].tolist()) for k, name in enumerate(classes)},
    )


def _size_scores(
    by_class: NDArray[np.float64], area: tuple[float, float], truth: Sequence[Truth]
) -> SizeScores:
    low, high = area
    sides = [each.xyxy[:, 2:] - each.xyxy[:, :2] for each in truth]
    # COCO counts a box on a limit on both sides of it.
    boxes = sum(int(((low <= s.prod(1)) & (s.prod(1) <= high)).sum()) for s in sides)
    to_side = None if high == LARGEST else float(np.sqrt(high))
    return SizeScores(float(np.sqrt(low)), to_side, boxes, _mean(by_class[0]), _mean(by_class.mean(0)))


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _coco_precision(
    found: Sequence[Detections],
    truth: Sequence[Truth],
    classes: tuple[str, ...],
    areas: Sequence[tuple[float, float]],
) -> NDArray[np.float64]:
    """(IoU, recall, class, area), NaN where a class has no box of an area."""
    truths, results = _annotations(truth, len(classes)), _results(found)
    nothing = np.full((IOUS, RECALLS, len(classes), len(areas)), np.nan)
    if not any(not each["iscrowd"] for each in truths):
        return nothing
    # The evaluator refuses a set of images without any result: one of no worth changes no figure.
    results = results or [_result(1, 0, np.zeros(4, np.float32), 0.0)]
    quiet = {"print_function": _say_nothing}
    gold = COCO(
        {
            "images": [{"id": i + 1} for i in range(len(truth))],
            "annotations": truths,
            "categories": [{"id": k + 1, "name": name} for k, name in enumerate(classes)],
        },
        **quiet,
    )
    evaluation = COCOeval_faster(gold, gold.loadRes(results), "bbox", **quiet)
    evaluation.params.areaRng = [list(area) for area in areas]
    evaluation.params.areaRngLbl = ["all", *SIZES][: len(areas)]
    evaluation.evaluate()
    evaluation.accumulate()
    precision: NDArray[np.float64] = evaluation.eval["precision"][..., -1]
    return np.where(precision < 0, np.nan, precision)


def _say_nothing(*_: object) -> None:
    return None


def _annotations(truth: Sequence[Truth], classes: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for image, each in enumerate(truth, start=1):
        for box, label in zip(each.xyxy, each.label, strict=True):
            rows.append(_annotation(len(rows) + 1, image, int(label) + 1, box, crowd=False))
        for box in each.ignore:
            for category in range(1, classes + 1):
                rows.append(_annotation(len(rows) + 1, image, category, box, crowd=True))
    return rows


def _annotation(
    number: int, image: int, category: int, box: NDArray[np.float32], *, crowd: bool
) -> dict[str, Any]:
    xywh = _xywh(box)
    return {
        "id": number, "image_id": image, "category_id": category, "bbox": xywh, "area": xywh[2] * xywh[3],
        "iscrowd": int(crowd),
    }  # fmt: skip


def _results(found: Sequence[Detections]) -> list[dict[str, Any]]:
    return [
        _result(image, int(label), box, float(score))
        for image, each in enumerate(found, start=1)
        for box, score, label in zip(each.xyxy, each.score, each.label, strict=True)
    ]


def _result(image: int, label: int, box: NDArray[np.float32], score: float) -> dict[str, Any]:
    return {"image_id": image, "category_id": label + 1, "bbox": _xywh(box), "score": score}


def _xywh(box: NDArray[np.float32]) -> list[float]:
    x0, y0, x1, y1 = (float(side) for side in box)
    return [x0, y0, x1 - x0, y1 - y0]
