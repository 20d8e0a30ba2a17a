"""How well boxes match: AP by the COCO protocol, and the threshold of the best F1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from model.boxes import iou_xyxy, xyxy_area
from model.detections import Detections


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """True boxes of one image.

    Attributes:
        xyxy: (K, 4) float32, in the pixels of the detections they are held against.
        label: (K,) int64.
        ignore: (M, 4) float32; detections inside count neither way.
    """

    xyxy: NDArray[np.float32]
    label: NDArray[np.int64]
    ignore: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scores:
    """Average precision over IoU thresholds, 0..1, NaN for a class without true boxes.

    Attributes:
        map50: mean over classes at IoU 0.5.
        map50_95: mean over classes and IoU 0.5, 0.55 ... 0.95.
        ap50, ap50_95: the same by class name.
        precision50: by class name, precision at IoU 0.5 and recall 0, 0.01 ... 1.
    """

    map50: float
    map50_95: float
    ap50: dict[str, float]
    ap50_95: dict[str, float]
    precision50: dict[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Operating:
    """What a score threshold gives at IoU 0.5, all classes together; precision, recall and f1 in 0..1."""

    threshold: float
    precision: float
    recall: float
    f1: float


def average_precision(
    found: Sequence[Detections], truth: Sequence[Truth], classes: tuple[str, ...]
) -> Scores:
    """COCO average precision (101 recall points, at most 100 boxes an image), regions to ignore as crowds.

    Args:
        found: detections of each image, as many as the network has, with a threshold near 0.
        truth: the same images' true boxes.
        classes: names of the labels.
    """
    precision = _coco_precision(found, truth, classes)  # (IoU, recall, class), -1 where a class has no box
    if precision is None:
        nothing = dict.fromkeys(classes, float("nan"))
        return Scores(float("nan"), float("nan"), nothing, dict(nothing), {})
    precision = np.where(precision < 0, np.nan, precision)
    by_class = precision.mean(1)  # (IoU, class)
    curves = {name: tuple(precision[0, :, k].tolist()) for k, name in enumerate(classes)}
    ap50 = dict(zip(classes, by_class[0].tolist(), strict=True))
    ap50_95 = dict(zip(classes, by_class.mean(0).tolist(), strict=True))
    return Scores(_mean(ap50), _mean(ap50_95), ap50, ap50_95, curves)


def _mean(values: dict[str, float]) -> float:
    known = [value for value in values.values() if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _coco_precision(
    found: Sequence[Detections], truth: Sequence[Truth], classes: tuple[str, ...]
) -> NDArray[np.float64] | None:
    truths = _annotations(truth, len(classes))
    results = _results(found)
    if not any(not each["iscrowd"] for each in truths):
        return None
    if not results:
        recall_points = np.zeros((10, 101, len(classes)))
        recall_points[:, :, sorted(set(range(len(classes))) - {t["category_id"] - 1 for t in truths})] = -1
        return recall_points
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
    evaluation.evaluate()
    evaluation.accumulate()
    precision: NDArray[np.float64] = evaluation.eval["precision"][:, :, :, 0, -1]
    return precision


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
        {"image_id": image, "category_id": int(label) + 1, "bbox": _xywh(box), "score": float(score)}
        for image, each in enumerate(found, start=1)
        for box, score, label in zip(each.xyxy, each.score, each.label, strict=True)
    ]


def _xywh(box: NDArray[np.float32]) -> list[float]:
    x0, y0, x1, y1 = (float(side) for side in box)
    return [x0, y0, x1 - x0, y1 - y0]


def match(found: Detections, truth: Truth, iou: float = 0.5) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Which true box each detection finds, best score first, each true box once.

    Returns:
        (N,) index of the true box or -1, and (N,) whether a detection without one lies in a region to ignore.
    """
    partner = np.full(len(found), -1, np.int64)
    taken = np.zeros(len(truth.label), bool)
    overlap = iou_xyxy(found.xyxy[:, None], truth.xyxy[None])
    for i in np.argsort(-found.score, kind="stable"):
        free = ~taken & (truth.label == found.label[i]) & (overlap[i] >= iou)
        if free.any():
            partner[i] = np.argmax(np.where(free, overlap[i], -1))
            taken[partner[i]] = True
    return partner, (partner < 0) & (_share_inside(found.xyxy, truth.ignore) >= iou)


def _share_inside(xyxy: NDArray[np.float32], regions: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N,) largest share of each box's area that one region covers."""
    low = np.maximum(xyxy[:, None, :2], regions[None, :, :2])
    high = np.minimum(xyxy[:, None, 2:], regions[None, :, 2:])
    covered = np.clip(high - low, 0, None).prod(-1)
    share: NDArray[np.float64] = covered.max(1, initial=0) / np.maximum(xyxy_area(xyxy), 1e-9)
    return share


def best_f1(found: Sequence[Detections], truth: Sequence[Truth], iou: float = 0.5) -> Operating:
    """The score threshold with the best F1 over all images and classes."""
    scores, hits = [], []
    for each, gold in zip(found, truth, strict=True):
        partner, ignored = match(each, gold, iou)
        scores.append(each.score[~ignored])
        hits.append(partner[~ignored] >= 0)
    score, hit = (
        np.concatenate([np.zeros(0, np.float32), *scores]),
        np.concatenate([np.zeros(0, bool), *hits]),
    )
    boxes = sum(len(gold.label) for gold in truth)
    if not hit.any():
        return Operating(0.5, 0.0, 0.0, 0.0)
    order = np.argsort(-score, kind="stable")
    right = np.cumsum(hit[order])
    f1 = 2 * right / (np.arange(1, len(right) + 1) + boxes)
    best = int(np.argmax(f1))
    return Operating(
        float(score[order][best]),
        float(right[best] / (best + 1)),
        float(right[best] / boxes),
        float(f1[best]),
    )
