"""Boxes that keep their names: association over the answers of one stream."""

from model.tracking.tracks import Change, TrackChange, Tracked, Tracker

__all__ = ["Change", "TrackChange", "Tracked", "Tracker"]
