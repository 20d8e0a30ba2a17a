"""`fit_anchors`: the anchors that boxes of a data set ask for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.catalogue import Anchors
from training.augment import boxes_to_view, plain_view
from training.datasets.pool import Chunks
from training.errors import BadTraining

ROUNDS = 100
ENOUGH_BOXES, MOST_CHUNKS = 2_000, 32


def anchors_of(chunks: Chunks, first: int, grid: tuple[int, int]) -> Anchors:
    """Anchors of the boxes in the chunks from `first` on, as they fall on a (width, height) grid.

    Raises:
        BadTraining: see `fit_anchors`.
    """
    sizes: list[NDArray[np.float32]] = [np.zeros((0, 2), np.float32)]
    for number in range(first, first + MOST_CHUNKS):
        for window in chunks.load(number):
            boxes = boxes_to_view(window.xyxy, plain_view(window.shape, grid), window.shape[3])
            sizes.append(boxes[:, 2:] - boxes[:, :2])
        if sum(map(len, sizes)) >= ENOUGH_BOXES:
            break
    return fit_anchors(np.concatenate(sizes))


def fit_anchors(sizes: NDArray[np.floating], levels: int = 2, per_level: int = 3) -> Anchors:
    """Anchors by k-means over the logarithms of widths and heights, smallest area first.

    The logarithm makes distance a ratio of sides, which is what assigns a box to an anchor.

    Args:
        sizes: (N, 2) widths and heights of boxes, cells of the grid.
        levels: of the head.
        per_level: anchors of each.

    Raises:
        BadTraining: fewer boxes than anchors, or sides that are not above 0.
    """
    wanted = levels * per_level
    if len(sizes) < wanted or not bool((sizes > 0).all()):
        raise BadTraining(
            f"{len(sizes)} boxes with a smallest side of {np.min(sizes, initial=np.inf)} cells; {wanted} "
            f"anchors need at least {wanted} boxes with sides above 0"
        )
    logs = np.log(sizes.astype(np.float64))
    centres = _spread(logs, wanted)
    for _ in range(ROUNDS):
        nearest = np.square(logs[:, None] - centres[None]).sum(2).argmin(1)
        moved = np.stack(
            [logs[nearest == k].mean(0) if (nearest == k).any() else centres[k] for k in range(wanted)]
        )
        if np.allclose(moved, centres):
            break
        centres = moved
    anchors = np.exp(centres)
    ordered = anchors[anchors.prod(1).argsort()].round(1).tolist()
    return tuple(
        tuple((w, h) for w, h in ordered[k * per_level : (k + 1) * per_level]) for k in range(levels)
    )


def _spread(logs: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """First centres: the mean, then always the point farthest from those chosen; no chance in it."""
    centres = [logs.mean(0)]
    while len(centres) < count:
        distance = np.min([np.square(logs - centre).sum(1) for centre in centres], axis=0)
        centres.append(logs[distance.argmax()])
    return np.stack(centres)
