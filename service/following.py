"""`Follower`: the tracker of one stream, which ends where the stream begins anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from model.detections import Detections
from model.tracking.tracks import TrackChange, Tracked, Tracker
from service.answers import Answer

TrackerMaker: TypeAlias = Callable[[tuple[str, ...], int], Tracker]
"""From the classes and the id of the first track."""


class Follower:
    """Gives the boxes of one stream's answers ids that last.

    Args:
        make: makes a tracker.
        classes: labels of the model.
        next_id: of the first new track.
    """

    def __init__(self, make: TrackerMaker, classes: tuple[str, ...], next_id: int) -> None:
        self._make, self._classes = make, classes
        self._tracker = make(classes, next_id)
        self._ended: tuple[TrackChange, ...] = ()

    @property
    def floor(self) -> float:
        """Least score of the boxes that it makes use of."""
        return self._tracker.floor

    def follow(self, found: Detections, t_us: int) -> Tracked:
        """What the tracker makes of an answer, after the ends that no answer has told yet."""
        tracked = self._tracker.update(found, t_us)
        ended, self._ended = self._ended, ()
        return Tracked(tracked.ids, (*ended, *tracked.changes))

    def end_all(self, early: Answer | None) -> Answer | None:
        """Ends every track, because another scene begins.

        Returns:
            `early`, the answer up to here, which tells so; without one the next answer does.
        """
        self._ended = (*self._ended, *self._tracker.end_all())
        self._tracker = self._make(self._classes, self._tracker.next_id)
        if early is None:
            return None
        ended, self._ended = self._ended, ()
        return replace(early, changes=(*early.changes, *ended))


def make_tracker(classes: tuple[str, ...], next_id: int) -> Tracker:
    """The tracker of live streams and recordings."""
    from model import tracking  # where it is needed: what it is built on takes its time to load

    return tracking.make_tracker(classes, next_id=next_id)
