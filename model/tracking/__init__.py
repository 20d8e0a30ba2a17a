"""Boxes that keep their names: association over the answers of one stream."""

from __future__ import annotations

from model.tracking.settings import TrackerSettings
from model.tracking.tracks import Change, TrackChange, Tracked, Tracker

__all__ = ["Change", "TrackChange", "Tracked", "Tracker", "TrackerSettings", "make_tracker"]


def make_tracker(
    classes: tuple[str, ...], *, next_id: int = 1, settings: TrackerSettings | None = None
) -> Tracker:
    """A tracker for one stream.

    Args:
        classes: labels of the model.
        next_id: of the first new track; `Tracker.next_id` of the one before, where the stream had one.
        settings: when tracks begin, go on and end.

    Raises:
        BadSetting: `next_id` is not positive.
    """
    # The API process imports the types above; the library belongs to the process that tracks.
    from model.tracking.byte_track import ByteTracker

    return ByteTracker(classes, next_id, settings or TrackerSettings())
