"""Batches: views of windows as tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.boxes import xyxy_to_cxcywh
from training.assign import Targets
from training.augment import (
    Labelled,
    Region,
    Sample,
    View,
    compose,
    draw_faults,
    draw_tiling,
    draw_view,
    render,
    spoil,
)
from training.datasets.pool import Pool
from training.settings import TrainSettings


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Shape: counts (T, B, C, H, W) uint8, time first, as `Network.forward` reads them."""

    counts: Tensor
    targets: Targets


def collate(samples: Sequence[Sample], device: torch.device | str = "cpu") -> Batch:
    """Stack views into one batch on `device`."""
    boxes = np.concatenate([sample.xyxy for sample in samples])
    targets = Targets(
        row=torch.from_numpy(_rows([len(s.label) for s in samples])),
        label=torch.from_numpy(np.concatenate([sample.label for sample in samples])),
        cxcywh=torch.from_numpy(xyxy_to_cxcywh(boxes).astype(np.float32)),
        ignore_row=torch.from_numpy(_rows([len(s.ignore) for s in samples])),
        ignore_xyxy=torch.from_numpy(np.concatenate([sample.ignore for sample in samples])),
    )
    counts = torch.from_numpy(np.stack([sample.counts for sample in samples], axis=1))
    return Batch(counts.to(device), targets.to(device))


def _rows(lengths: list[int]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(lengths)), lengths)


class Batches:
    """The endless stream of training batches; what it gives depends on the pool and `rng` alone."""

    def __init__(self, pool: Pool, settings: TrainSettings, rng: np.random.Generator) -> None:
        self.pool = pool
        self.settings = settings
        self.rng = rng

    def next(self, fraction: float) -> Batch:
        """One batch of augmented views; a mosaic takes several windows.

        Args:
            fraction: of the budget that is spent; in the warm part windows have fewer steps.
        """
        settings = self.settings
        tilings = [draw_tiling(settings.augment, settings.grid, self.rng) for _ in range(settings.batch)]
        drawn = iter(self.pool.draw(self.rng, sum(len(tiles) for tiles in tilings)))
        samples = [self._sample(tiles, [next(drawn) for _ in tiles]) for tiles in tilings]
        batch = collate(samples, settings.device)
        # The newest steps stay: boxes are those of the window's end.
        return Batch(batch.counts[-self._steps(fraction) :], batch.targets)

    def _sample(self, tiles: Sequence[Region], windows: Sequence[Labelled]) -> Sample:
        augment, grid, shape = self.settings.augment, self.settings.grid, windows[0].shape
        rooms = [None if len(tiles) == 1 else tile.size for tile in tiles]
        views = [draw_view(augment, w.shape, grid, self.rng, r) for w, r in zip(windows, rooms, strict=True)]
        samples = [render(w, v, t.size) for w, v, t in zip(windows, views, tiles, strict=True)]
        frame = _frame(views[0], shape, grid) if len(tiles) == 1 else Region(0, 0, *grid)
        return spoil(compose(samples, tiles, grid), draw_faults(augment, shape, frame, self.rng))

    def _steps(self, fraction: float) -> int:
        settings = self.settings
        full = settings.window_steps
        if settings.lead_steps:
            full += int(self.rng.integers(settings.lead_steps + 1))
        if fraction < settings.warm_share:
            full = min(
                full, settings.warm_steps + int((full - settings.warm_steps) * fraction / settings.warm_share)
            )
        if full > 1 and self.rng.random() < settings.short_share:
            return int(self.rng.integers(1, full))
        return full


def _frame(view: View, shape: Sequence[int], grid: tuple[int, int]) -> Region:
    """The part of the grid that the sensor of a (T, channels, height, width) window covers."""
    left, right = _cells(view.left, shape[-1] * view.scale, grid[0])
    top, bottom = _cells(view.top, shape[-2] * view.scale, grid[1])
    return Region(left, top, right, bottom)


def _cells(start: float, side: float, room: int) -> tuple[int, int]:
    low = min(max(math.floor(start), 0), room - 1)
    return low, max(low + 1, min(math.ceil(start + side), room))
