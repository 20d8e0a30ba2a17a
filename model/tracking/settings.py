"""`TrackerSettings`: when a track begins, goes on, is told of and ends."""

from __future__ import annotations

import math
from dataclasses import dataclass

from model.errors import BadSetting

LOW_OF_HIGH = 0.5
"""Least score that continues a track, as a share of the least score that begins one."""
MOST_HITS = 100
MOST_MS = 60_000.0


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How boxes become tracks.

    Attributes:
        high: least score of a box that begins a track; such boxes choose their tracks first.
        low: least score of a box that continues a track which no better box does; at most `high`.
        iou: least overlap of a box with where its track is expected.
        lost_ms: how long a track waits for its next box before it ends.
        least_hits: answers in a row with a box before a track is told of and gets its id.
        frame_ms: steps in which positions are predicted; at most the shortest time between two answers.
        velocity_ms: over which time velocities are measured.

    Raises:
        BadSetting: a number is outside its range or not finite, or `low` is above `high`.
    """

    high: float = 0.4
    low: float = 0.2
    iou: float = 0.2
    lost_ms: float = 1000.0
    least_hits: int = 3
    frame_ms: float = 8.0
    velocity_ms: float = 250.0

    def __post_init__(self) -> None:
        for name in ("high", "low", "iou"):
            _check(name, getattr(self, name), 0.0, 1.0)
        for name in ("lost_ms", "frame_ms", "velocity_ms"):
            _check(name, getattr(self, name), 1.0, MOST_MS)
        if not 1 <= self.least_hits <= MOST_HITS:
            raise BadSetting(f"least_hits is {self.least_hits}; it must be a whole number in 1..{MOST_HITS}")
        if self.low > self.high:
            raise BadSetting(f"low is {self.low}, high is {self.high}; low must not be above high")

    @classmethod
    def around(cls, threshold: float) -> TrackerSettings:
        """Tracks of the boxes that people see at `threshold`; weaker ones, down to half of it, help."""
        return cls(high=threshold, low=threshold * LOW_OF_HIGH)


def _check(name: str, value: float, least: float, most: float) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        raise BadSetting(f"{name} is {value}; it must be a number in {least:g}..{most:g}")
