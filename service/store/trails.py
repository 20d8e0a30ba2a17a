"""`Trail`: where a track went, while it lives; few points, however long that is."""

from __future__ import annotations

from model.tracking.tracks import TrackChange
from service.store.entries import TrackEnd, Watched

MAX_POINTS = 64
Point = tuple[int, float, float]


class Trail:
    """A track from its first change on.

    Args:
        first: that change.
        wall_us: its time of day, microseconds.
    """

    def __init__(self, first: TrackChange, wall_us: int) -> None:
        self._last, self._begun_wall_us = first, wall_us
        self._classes: tuple[str, ...] = ()
        self._boxes, self._best = 0, 0.0
        self._every = 1
        self._path: list[Point] = []
        self._newest: Point = (0, 0.0, 0.0)

    def add(self, change: TrackChange, classes: tuple[str, ...]) -> None:
        """What became of it; `classes` names labels."""
        self._last, self._classes = change, classes
        if change.change in ("new", "update"):
            self._newest = _point(change)
            if self._boxes % self._every == 0:
                self._mark(self._newest)
            self._boxes += 1
            self._best = max(self._best, change.score)

    def end(self, stream: Watched, wall_us: int) -> TrackEnd:
        """The whole of it; its path begins with the first box and ends with the last one."""
        last = self._last
        path = self._path if self._path[-1:] == [self._newest] else [*self._path, self._newest]
        votes = {
            name: round(vote, 4) for name, vote in zip(self._classes, last.votes, strict=True) if vote > 0
        }
        return TrackEnd(
            stream,
            last.track_id,
            wall_us,
            self._begun_wall_us,
            last.begun_us,
            last.t_us,
            self._classes[last.label],
            votes,
            self._boxes,
            round(self._best * 1e4),
            path if self._boxes else [],
        )

    def _mark(self, point: Point) -> None:
        """Past the bound every second point goes, and from then on only every second is taken."""
        self._path.append(point)
        if len(self._path) == MAX_POINTS:
            del self._path[1::2]
            self._every *= 2


def _point(change: TrackChange) -> Point:
    left, top, right, bottom = change.xyxy
    return (change.t_us - change.begun_us) // 1000, round((left + right) / 2, 1), round((top + bottom) / 2, 1)
