"""`track_scores`: HOTA, IDF1, MOTA and identity switches of boxes with ids, by motrics.

A box can only be that of a true object of its own class. Overlaps below 0.5 do not count in IDF1, MOTA and
switches; HOTA is the mean over overlaps 0.05, 0.1 ... 0.95 (Luiten et al., IJCV 2021).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import motrics
import numpy as np
from numpy.typing import NDArray

from model.boxes import iou_xyxy

MATCH_IOU = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class NamedBoxes:
    """Boxes of one moment.

    Attributes:
        xyxy: (N, 4), left, top, right, bottom.
        label: (N,) class.
        ids: (N,) who it is, each at most once.
    """

    xyxy: NDArray[np.float32]
    label: NDArray[np.int64]
    ids: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Moment:
    """What is there and what was found."""

    truth: NamedBoxes
    found: NamedBoxes


@dataclass(frozen=True, slots=True)
class TrackScores:
    """How well boxes and ids fit what is there.

    Attributes:
        hota: geometric mean of the next two, 0..1.
        det_a, ass_a: of the boxes, and of who they are, 0..1.
        idf1: share of boxes with the right id, when each object has one right id at all times; 0..1.
        mota: 1 less misses, false boxes and switches over true boxes; below 0 where those are more.
        switches: times an object has another id than when it was last found.
        tracks: ids found.
    """

    hota: float
    det_a: float
    ass_a: float
    idf1: float
    mota: float
    switches: int
    tracks: int


def track_scores(scenes: Iterable[Sequence[Moment]]) -> TrackScores:
    """Scores over all scenes; ids of one scene mean nothing in another.

    Args:
        scenes: moments of each in their order.
    """
    true_ids: list[list[int]] = []
    found_ids: list[list[int]] = []
    overlaps: list[list[list[float]]] = []
    true_names: dict[tuple[int, int], int] = {}
    found_names: dict[tuple[int, int], int] = {}
    for scene, moments in enumerate(scenes):
        for moment in moments:
            true_ids.append(_numbered(true_names, scene, moment.truth))
            found_ids.append(_numbered(found_names, scene, moment.found))
            overlaps.append(_overlaps(moment).tolist())
    hota = motrics.compute_hota_from_similarity(true_ids, found_ids, overlaps)
    clear = motrics.compute_clear_from_similarity(true_ids, found_ids, overlaps, MATCH_IOU)
    identity = motrics.compute_identity_from_similarity(true_ids, found_ids, overlaps, MATCH_IOU)
    return TrackScores(
        hota=hota.hota,
        det_a=hota.deta,
        ass_a=hota.assa,
        idf1=identity.idf1,
        mota=clear.mota,
        switches=clear.num_switches,
        tracks=len(found_names),
    )


def _numbered(names: dict[tuple[int, int], int], scene: int, boxes: NamedBoxes) -> list[int]:
    """Ids that differ from scene to scene."""
    return [names.setdefault((scene, each), len(names)) for each in boxes.ids.tolist()]


def _overlaps(moment: Moment) -> NDArray[np.float64]:
    """(truth, found) IoU, 0 between classes."""
    truth, found = moment.truth, moment.found
    overlap = iou_xyxy(truth.xyxy[:, None].astype(np.float64), found.xyxy[None].astype(np.float64))
    of_a_class: NDArray[np.float64] = np.where(truth.label[:, None] == found.label[None], overlap, 0.0)
    return of_a_class
