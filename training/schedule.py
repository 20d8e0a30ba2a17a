"""How far training has come, and the learning rate that goes with it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field


def learning_rate(peak: float, fraction: float, *, warmup: float = 0.03, final: float = 0.01) -> float:
    """Linear warm-up, then half a cosine down to `final` times the peak.

    Args:
        peak: the largest rate.
        fraction: of the whole budget that is spent, 0..1.
        warmup: fraction of the budget in which the rate climbs.
        final: last rate relative to the peak.
    """
    if fraction < warmup:
        return peak * (0.02 + 0.98 * fraction / warmup)
    left = 0.5 * (1 + math.cos(math.pi * min(1.0, (fraction - warmup) / (1 - warmup))))
    return peak * (final + (1 - final) * left)


@dataclass(slots=True)
class Budget:
    """A budget of steps or of wall-clock minutes; minutes spent before a resume count.

    Attributes:
        steps: optimizer steps, or None for a budget of time.
        minutes: wall-clock minutes, or None for a budget of steps.
        spent_s: seconds spent in earlier runs.
    """

    steps: int | None
    minutes: float | None
    spent_s: float = 0.0
    started_s: float = field(default_factory=time.monotonic)
    ends_s: float | None = None
    cooldown_s: float = 1.0

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError(
                f"a budget is either steps or minutes, got steps={self.steps}, minutes={self.minutes}"
            )

    def end_in(self, seconds: float) -> None:
        """End early, after `seconds` more in which the learning rate falls to 0."""
        if self.ends_s is None:
            self.ends_s, self.cooldown_s = self.elapsed_s + seconds, max(seconds, 1e-3)

    def finished(self, step: int) -> bool:
        """Whether `step` optimizer steps are all."""
        return self.fraction(step) >= 1 or (self.ends_s is not None and self.elapsed_s >= self.ends_s)

    def ebb(self) -> float:
        """Factor on the learning rate: 1, falling to 0 after `end_in`."""
        if self.ends_s is None:
            return 1.0
        return min(1.0, max(0.0, (self.ends_s - self.elapsed_s) / self.cooldown_s))

    @property
    def elapsed_s(self) -> float:
        return self.spent_s + time.monotonic() - self.started_s

    def fraction(self, step: int) -> float:
        """Share of the budget spent after `step` optimizer steps, 0..1."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        assert self.minutes is not None
        return min(1.0, self.elapsed_s / (60 * self.minutes))

    def eta_s(self, step: int) -> float | None:
        """Seconds to the end at the pace so far, None before the first step."""
        if self.ends_s is not None:
            return max(0.0, self.ends_s - self.elapsed_s)
        if self.minutes is not None:
            return max(0.0, 60 * self.minutes - self.elapsed_s)
        fraction = self.fraction(step)
        return self.elapsed_s * (1 - fraction) / fraction if fraction > 0 else None
