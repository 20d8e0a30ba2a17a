"""`ByteTracker`: boxes that go together get a number, and what becomes of them is told.

Boxes go on with tracks of their own class alone. Where a track misses its box and a new one begins in its
place, mostly of another class, the track takes it: the network has changed its mind about the same thing.
The class of a track is that of most votes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from model.boxes import iou_xyxy
from model.detections import Detections
from model.errors import BadSetting
from model.tracking.association import Association
from model.tracking.settings import TrackerSettings
from model.tracking.track import Track
from model.tracking.tracks import NO_TRACK, TrackChange, Tracked

SAME_PLACE_IOU = 0.5
"""Least overlap of a new box with where a track is expected, to be taken for the same thing."""


class ByteTracker:
    """The tracker of one stream; keeps the contract of `model.tracking.tracks.Tracker`.

    Args:
        classes: labels of the model.
        next_id: of the first new track.
        settings: when tracks begin, go on, are told of and end.

    Raises:
        BadSetting: `next_id` is not positive.
    """

    def __init__(self, classes: tuple[str, ...], next_id: int, settings: TrackerSettings) -> None:
        if next_id <= NO_TRACK:
            raise BadSetting(f"next_id is {next_id}; tracks are numbered from {NO_TRACK + 1} on")
        self.next_id = next_id
        self.floor = settings.low
        self._classes, self._settings = classes, settings
        self._lost_us, self._velocity_us = round(settings.lost_ms * 1e3), round(settings.velocity_ms * 1e3)
        self._associations: dict[int, Association] = {}  # by class
        self._tracks: dict[str, Track] = {}  # by the library's name
        self._last_us: int | None = None

    def update(self, detections: Detections, t_us: int) -> Tracked:
        """The next answer.

        Args:
            detections: boxes of the classes given; those below `floor` get no track.
            t_us: its end.

        Raises:
            ValueError: `t_us` is not later than the last one.
        """
        if self._last_us is not None and t_us <= self._last_us:
            raise ValueError(
                f"an answer ends at {t_us} us, the one before at {self._last_us} us; end_all first"
            )
        self._last_us = t_us
        names = self._names(detections, t_us)
        self._hand_over(detections, names, t_us)
        ids, found = np.full(len(detections), NO_TRACK, np.int64), set(names.values())
        changes = list(self._missed(found, t_us))
        for at, name in names.items():
            track = self._tracks.get(name) or Track(np.zeros(len(self._classes)), t_us)
            self._tracks[name] = track
            score, label = float(detections.score[at]), int(detections.label[at])
            track.add(detections.xyxy[at], score, label, t_us, self._velocity_us)
            changes += self._found(track, t_us)
            ids[at] = track.id
        return Tracked(ids, _by_id(changes))

    def end_all(self) -> tuple[TrackChange, ...]:
        """Ends every track; the next answer may be of any time."""
        ended = [track.change("end", self._last_us or 0) for track in self._tracks.values() if track.told]
        self._associations.clear()
        self._tracks.clear()
        self._last_us = None
        return _by_id(ended)

    def _names(self, detections: Detections, t_us: int) -> dict[int, str]:
        """The library's name of the track of each box (by its place among them) that has one."""
        names: dict[int, str] = {}
        strong = detections.score >= self.floor
        for label in {*self._associations, *detections.label[strong].tolist()}:
            if label not in self._associations:
                self._associations[label] = Association(self._settings, t_us)
            at = np.flatnonzero(strong & (detections.label == label))
            of = self._associations[label].names(detections.xyxy[at], detections.score[at], t_us)
            names |= {place: name for place, name in zip(at.tolist(), of, strict=True) if name is not None}
        return dict(sorted(names.items()))

    def _hand_over(self, detections: Detections, names: Mapping[int, str], t_us: int) -> None:
        """Tracks that miss their box now, to boxes that begin in their place."""
        begun = [at for at, name in names.items() if name not in self._tracks]
        found = set(names.values())
        missed = [
            name
            for name, track in self._tracks.items()
            if name not in found and not track.lost and not self._over(track, t_us)
        ]
        if not begun or not missed:
            return
        expected = np.array([self._tracks[name].expected_xyxy(t_us) for name in missed])
        overlap = iou_xyxy(detections.xyxy[begun][:, None], expected[None])  # (begun, missed)
        while overlap.max() >= SAME_PLACE_IOU:
            box, track = np.unravel_index(overlap.argmax(), overlap.shape)
            self._tracks[names[begun[box]]] = self._tracks.pop(missed[track])
            overlap[box], overlap[:, track] = 0, 0

    def _over(self, track: Track, t_us: int) -> bool:
        return track.seen_us + self._lost_us < t_us

    def _found(self, track: Track, t_us: int) -> Iterator[TrackChange]:
        if track.told:
            yield track.change("update", t_us)
        elif track.hits >= self._settings.least_hits:
            track.id, self.next_id = self.next_id, self.next_id + 1
            yield track.change("new", t_us)

    def _missed(self, found: set[str], t_us: int) -> Iterator[TrackChange]:
        """Tracks without a box; those not told of yet are forgotten, for noise seldom comes twice."""
        for name, track in list(self._tracks.items()):
            if name in found:
                continue
            over = self._over(track, t_us)
            if over or not track.told:
                del self._tracks[name]
            if track.told and (over or not track.lost):
                track.lost = True
                yield track.change("end" if over else "lost", t_us)


def _by_id(changes: Iterable[TrackChange]) -> tuple[TrackChange, ...]:
    return tuple(sorted(changes, key=lambda change: change.track_id))
