"""Mosaics: several samples side by side in one grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.augment.region import Region
from training.augment.render import Sample


def compose(samples: Sequence[Sample], tiles: Sequence[Region], grid: tuple[int, int]) -> Sample:
    """One sample of several.

    Args:
        samples: each rendered in a grid of its tile's size, so that boxes are cut at the tile's border; all
            with the same T and channels.
        tiles: the places of the samples, which together fill the grid.
        grid: (width, height), cells.
    """
    if len(samples) == 1:
        return samples[0]
    counts = np.empty((*samples[0].counts.shape[:2], grid[1], grid[0]), np.uint8)
    for sample, tile in zip(samples, tiles, strict=True):
        counts[:, :, tile.rows, tile.columns] = sample.counts
    return Sample(
        counts,
        np.concatenate([_moved(s.xyxy, tile) for s, tile in zip(samples, tiles, strict=True)]),
        np.concatenate([s.label for s in samples]),
        np.concatenate([_moved(s.ignore, tile) for s, tile in zip(samples, tiles, strict=True)]),
    )


def _moved(xyxy: NDArray[np.float32], tile: Region) -> NDArray[np.float32]:
    return xyxy + np.array([tile.left, tile.top] * 2, np.float32)
