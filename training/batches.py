"""Batches: views of windows as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.boxes import xyxy_to_cxcywh
from training.assign import Targets
from training.augment import Sample, draw_view, plain_view, render
from training.datasets import LabelledWindow
from training.datasets.pool import Pool
from training.settings import TrainSettings


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Shape: counts (T, B, 2, H, W) uint8, time first, as `Network.forward` reads them."""

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
        """One batch of augmented views.

        Args:
            fraction: of the budget that is spent; in the warm part windows have fewer steps.
        """
        settings = self.settings
        windows = self.pool.draw(self.rng, settings.batch)
        views = [draw_view(settings.augment, w.shape, settings.grid, self.rng) for w in windows]
        samples = [render(w, v, settings.grid) for w, v in zip(windows, views, strict=True)]
        batch = collate(samples, settings.device)
        # The newest steps stay: boxes are those of the window's end.
        return Batch(batch.counts[-self._steps(fraction) :], batch.targets)

    def _steps(self, fraction: float) -> int:
        settings = self.settings
        full = settings.window_steps
        if fraction < settings.warm_share:
            full = min(
                full, settings.warm_steps + int((full - settings.warm_steps) * fraction / settings.warm_share)
            )
        if full > 1 and self.rng.random() < settings.short_share:
            return int(self.rng.integers(1, full))
        return full


def plain_batch(
    windows: Sequence[LabelledWindow], grid: tuple[int, int], device: torch.device | str
) -> Batch:
    """The windows as run time sees them."""
    return collate([render(w, plain_view(w.shape, grid), grid) for w in windows], device)
