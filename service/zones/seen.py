"""`Seen`: one box of a track, with the points of it that may count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model.tracking.tracks import TrackChange
from service.zones.geometry import Point
from service.zones.schemas import Anchor


@dataclass(frozen=True, slots=True)
class Seen:
    """A track where a box was found.

    Attributes:
        track_id, label, score, xyxy: of the track; its box in sensor pixels.
        bottom, centre: middle of the box's lower edge, and its centre; on the sensor where its size is known.
        t_us: end of the answer.
    """

    track_id: int
    label: str
    score: float
    xyxy: tuple[float, float, float, float]
    bottom: Point
    centre: Point
    t_us: int

    @classmethod
    def of(cls, change: TrackChange, classes: Sequence[str], size: tuple[int, int] | None) -> Seen:
        """Args: the sensor's `size` (width, height), which boxes may leave and zones may not."""
        left, top, right, bottom = change.xyxy
        x = (left + right) / 2
        return cls(
            change.track_id,
            classes[change.label],
            change.score,
            change.xyxy,
            _onto((x, bottom), size),
            _onto((x, (top + bottom) / 2), size),
            change.t_us,
        )

    def point(self, anchor: Anchor) -> Point:
        return self.bottom if anchor == "bottom" else self.centre


def _onto(point: Point, size: tuple[int, int] | None) -> Point:
    if size is None:
        return point
    return min(max(point[0], 0.0), float(size[0])), min(max(point[1], 0.0), float(size[1]))
