"""`Tracker`: boxes of one answer in, ids and changes of tracks out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from model.detections import Detections

Change: TypeAlias = Literal["new", "update", "lost", "end"]
NO_TRACK = 0
"""In place of an id, for a box that belongs to no track (yet)."""


@dataclass(frozen=True, slots=True)
class TrackChange:
    """What became of one track at one answer.

    Attributes:
        change: "new" once, "update" where a box was found, "lost" once where none was found, "end" once
            where it was lost for too long or the stream began anew; nothing follows an end.
        track_id: 1, 2, 3, ... in one stream; never given again.
        label: index into the classes, by the votes of all boxes so far, weighted by score.
        score: of the newest box.
        xyxy: (left, top, right, bottom) as the boxes given; where it is lost, as predicted.
        velocity_px_s: (x, y) of its centre, pixels a second.
        votes: share of each class, sums to 1.
        t_us: end of the answer.
        begun_us: `t_us` of its first box.
    """

    change: Change
    track_id: int
    label: int
    score: float
    xyxy: tuple[float, float, float, float]
    velocity_px_s: tuple[float, float]
    votes: tuple[float, ...]
    t_us: int
    begun_us: int


@dataclass(frozen=True, slots=True, eq=False)
class Tracked:
    """What a tracker made of one answer.

    Attributes:
        ids: (N,) int64, the track of each box given, `NO_TRACK` without one.
        changes: in the order of ids; tracks of which nothing changed but the time are among them as "update".
    """

    ids: NDArray[np.int64]
    changes: tuple[TrackChange, ...]


class Tracker(Protocol):
    """The association of one stream.

    Attributes:
        next_id: of the next new track; what a new tracker of the same stream must begin with.
        floor: least score of the boxes it makes use of, 0..1; those below may be left out.
    """

    next_id: int
    floor: float

    def update(self, detections: Detections, t_us: int) -> Tracked:
        """The next answer, `t_us` at its end; later than the last one."""

    def end_all(self) -> tuple[TrackChange, ...]:
        """Ends every track, because the stream begins anew."""
