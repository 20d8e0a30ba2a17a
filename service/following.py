"""`Follower`: the tracker of one stream, which ends where the stream begins anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from model import tracking
from model.detections import Detections
from model.tracking import TrackerSettings
from model.tracking.tracks import TrackChange, Tracked, Tracker
from service.answers import Answer

TrackerMaker: TypeAlias = Callable[[tuple[str, ...], int, float], Tracker]
"""From the classes, the id of the first track, and the least score of boxes that are shown."""

LEAST_BEGINNING = 0.1
"""Boxes below this begin no track, however low the threshold is."""


class Follower:
    """Gives the boxes of one stream's answers ids that last.

    Args:
        make: makes a tracker.
        classes: labels of the model.
        next_id: of the first new track.
        threshold: least score of boxes that are shown; a new one counts when the stream begins anew.

    Attributes:
        threshold: as given, until it is changed.
    """

    def __init__(self, make: TrackerMaker, classes: tuple[str, ...], next_id: int, threshold: float) -> None:
        self.threshold = threshold
        self._make, self._classes = make, classes
        self._tracker = make(classes, next_id, threshold)
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
        self._tracker = self._make(self._classes, self._tracker.next_id, self.threshold)
        if early is None:
            return None
        ended, self._ended = self._ended, ()
        return replace(early, changes=(*early.changes, *ended))


def make_tracker(classes: tuple[str, ...], next_id: int, threshold: float) -> Tracker:
    """The tracker of live streams and recordings: of the boxes that are shown, helped by weaker ones."""
    settings = TrackerSettings.around(max(threshold, LEAST_BEGINNING))
    return tracking.make_tracker(classes, next_id=next_id, settings=settings)
