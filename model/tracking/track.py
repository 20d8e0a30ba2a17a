"""`Track`: what is known of one object over time, beside where the library expects it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.tracking.tracks import NO_TRACK, Change, TrackChange

LEAST_VOTE = 1e-6
"""Even a box of score 0 has a say, so that votes always sum to 1."""


@dataclass(slots=True, eq=False)
class Track:
    """One object; its boxes come by `add`.

    Attributes:
        votes: (C,) sum of scores by class.
        begun_us: of its first box.
        id: `NO_TRACK` until it is told of.
        hits: boxes so far.
        lost: the newest answer had no box of it.
        score, xyxy: of the newest box.
        seen_us: of the newest box.
    """

    votes: NDArray[np.float64]
    begun_us: int
    id: int = NO_TRACK
    hits: int = 0
    lost: bool = False
    score: float = 0.0
    xyxy: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    seen_us: int = 0
    _centres: deque[tuple[int, float, float]] = field(default_factory=deque)  # (t_us, x, y)

    def add(self, xyxy: NDArray[np.float32], score: float, label: int, t_us: int, velocity_us: int) -> None:
        """A box of this object at `t_us`; centres older than `velocity_us` are forgotten, down to two."""
        left, top, right, bottom = xyxy.tolist()
        self.xyxy, self.score, self.seen_us = (left, top, right, bottom), score, t_us
        self.votes[label] += max(score, LEAST_VOTE)
        self.hits, self.lost = self.hits + 1, False
        self._centres.append((t_us, (left + right) / 2, (top + bottom) / 2))
        while len(self._centres) > 2 and self._centres[0][0] < t_us - velocity_us:
            self._centres.popleft()

    @property
    def told(self) -> bool:
        """It has an id."""
        return self.id != NO_TRACK

    def velocity_px_s(self) -> tuple[float, float]:
        """(x, y) of its centre: the straight line nearest to the newest centres, in least squares."""
        if len(self._centres) < 2:
            return 0.0, 0.0
        t_us, x, y = np.array(self._centres, np.float64).T
        since_s = (t_us - t_us.mean()) * 1e-6
        spread = since_s @ since_s
        return float(since_s @ x / spread), float(since_s @ y / spread)

    def expected_xyxy(self, t_us: int) -> tuple[float, float, float, float]:
        """Its newest box, moved on by its velocity."""
        since_s = (t_us - self.seen_us) * 1e-6
        x, y = (speed * since_s for speed in self.velocity_px_s())
        left, top, right, bottom = self.xyxy
        return left + x, top + y, right + x, bottom + y

    def change(self, change: Change, t_us: int) -> TrackChange:
        """What to tell of it at `t_us`."""
        share = self.votes / self.votes.sum()
        return TrackChange(
            change=change,
            track_id=self.id,
            label=int(self.votes.argmax()),
            score=self.score,
            xyxy=self.expected_xyxy(t_us),
            velocity_px_s=self.velocity_px_s(),
            votes=tuple(share.tolist()),
            t_us=t_us,
            begun_us=self.begun_us,
        )
