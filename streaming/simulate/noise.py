"""`Dice`: all chance of the simulator, drawn from one seeded generator; and fractal noise for textures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

Range: TypeAlias = tuple[float, float]
"""Lowest and highest of a value that is drawn."""
GRAIN_OFFSETS = 1 << 16
"""Places of its sheet at which a cut of grain may begin."""


class Dice:
    """Draws tensors from one `torch.Generator`, on that generator's device, never from the global one."""

    def __init__(self, seed: int, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self._grain: Tensor | None = None

    def unit(self, *shape: int) -> Tensor:
        """Uniform in [0, 1)."""
        return torch.rand(shape, generator=self.generator, device=self.device)

    def uniform(self, count: int, low: float, high: float) -> Tensor:
        return self.unit(count) * (high - low) + low

    def log_uniform(self, count: int, low: float, high: float) -> Tensor:
        """Uniform in the logarithm: every octave between `low` and `high` is equally likely."""
        return self.uniform(count, math.log(low), math.log(high)).exp()

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, device=self.device)

    def grain(self, *shape: int) -> Tensor:
        """Standard normal (B, H, W) noise, cut anywhere out of one sheet: far cheaper than fresh noise.

        Good where noise must differ from one look to the next, not where it is itself the result.
        """
        pictures, size = shape[0], math.prod(shape[1:])
        if self._grain is None or len(self._grain) < size + GRAIN_OFFSETS:
            self._grain = self.normal(size + GRAIN_OFFSETS)
        sheet = self._grain
        starts: list[int] = self.whole(pictures, 0, GRAIN_OFFSETS).tolist()
        return torch.stack([sheet[start : start + size] for start in starts]).view(shape)

    def sign(self, count: int) -> Tensor:
        """-1 or 1, equally likely."""
        return self.chance(count, 0.5) * 2 - 1

    def chance(self, count: int, probability: float | Tensor) -> Tensor:
        """1.0 with `probability`, else 0.0."""
        return (self.unit(count) < probability).float()

    def whole(self, count: int, low: int, high: int) -> Tensor:
        """int64 in [low, high)."""
        return torch.randint(low, high, (count,), generator=self.generator, device=self.device)

    def choose(self, count: int, weights: Sequence[float]) -> Tensor:
        """int64 indices drawn with `weights`."""
        table = torch.tensor(weights, device=self.device)
        return torch.bucketize(self.unit(count) * table.sum(), table.cumsum(0)).clamp_max(len(weights) - 1)


def fractal_noise(dice: Dice, height: int, width: int, exponent: Tensor) -> Tensor:
    """(B, height, width) tileable noise whose amplitude falls as 1 / f**exponent; mean 0, deviation 1.

    Args:
        exponent: (B,), 0 white to 2 smooth; photographs of outdoor scenes lie near 1 (Field 1987).
    """
    frequency = _frequency(height, width, dice.device).clamp_min(1.0)
    return _shaped_noise(dice, torch.exp(-exponent[:, None, None] * frequency.log()), width)


def spots(dice: Dice, height: int, width: int, size_px: Tensor, rarity: Tensor) -> Tensor:
    """(B, height, width) tileable blobs of 1 and -1 on 0, as leaves, stones and gravel lie about.

    Noise of one scale, of which only what is far from 0 remains.

    Args:
        size_px: (B,) about the width of a blob.
        rarity: (B,) deviations from which on the noise shows: 1 covers a fifth, 2 a fiftieth.
    """
    peak = width / (4 * size_px[:, None, None])
    frequency = _frequency(height, width, dice.device) / peak
    noise = _shaped_noise(dice, frequency * torch.exp(-frequency.square() / 2), width)
    limit = rarity[:, None, None]
    return torch.tanh(4 * (noise - torch.maximum(torch.minimum(noise, limit), -limit)))


def _frequency(height: int, width: int, device: torch.device) -> Tensor:
    """(height, width // 2 + 1) cycles a picture's width of each Fourier term."""
    rows = torch.fft.fftfreq(height, device=device)[:, None] * height
    columns = torch.fft.rfftfreq(width, device=device)[None] * width
    frequency: Tensor = (columns**2 + (rows * width / height) ** 2).sqrt()
    return frequency


def _shaped_noise(dice: Dice, amplitude: Tensor, width: int) -> Tensor:
    """Noise with the spectrum `amplitude` (B, height, width // 2 + 1); mean 0, deviation 1."""
    amplitude[:, 0, 0] = 0
    scenes, height, terms = amplitude.shape
    phases = torch.view_as_complex(dice.normal(scenes, height, terms, 2))
    noise: Tensor = torch.fft.irfft2(phases * amplitude, s=(height, width))
    return noise / noise.square().mean((1, 2), keepdim=True).sqrt_().clamp_min_(1e-9)


def columns(*values: Tensor) -> tuple[Tensor, ...]:
    """(N,) traits as (N, 1) columns, to meet (N, K) values over time."""
    return tuple(value[:, None] for value in values)


def planes(value: Tensor) -> Tensor:
    """(B,) settings as (B, 1, 1), to meet (B, H, W) pictures."""
    return value[:, None, None]
