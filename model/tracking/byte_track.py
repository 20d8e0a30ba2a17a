"""`ByteTracker`: ByteTrack (Zhang et al., ECCV 2022) of a library, with ids, changes and time of our own.

The library finds which box goes on with which track: boxes of high score first, then those of low score with
the tracks that are left, each time with the largest overlap. It names tracks by random UUIDs and moves them
on by one frame at each call, however long that lasted. Around it, this module

- gives tracks numbers that count up in one stream,
- lets as many frames without boxes pass as time did between two answers,
- tells of a track once it had boxes in some answers in a row, and what became of it after that.

Any box may continue any track: a label that is wrong for once does not end one. The label of a track is that
of most votes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from edgefirst.tracker import ByteTrack
from numpy.typing import NDArray

from model.detections import Detections
from model.errors import BadSetting
from model.tracking.settings import TrackerSettings
from model.tracking.track import Track
from model.tracking.tracks import NO_TRACK, TrackChange, Tracked

GAIN = 1.0
"""How much of the Kalman gain the library takes."""
NO_XYXY, NO_SCORE, NO_LABEL = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.uintp)


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
        self._lost_us = round(settings.lost_ms * 1e3)
        self._frame_us = round(settings.frame_ms * 1e3)
        self._velocity_us = round(settings.velocity_ms * 1e3)
        self._begin()

    def update(self, detections: Detections, t_us: int) -> Tracked:
        """The next answer.

        Args:
            detections: boxes in sensor pixels, of the classes given; those below `floor` get no track.
            t_us: its end.

        Raises:
            ValueError: `t_us` is not later than the last one.
        """
        since_us = self._frame_us if self._last_us is None else t_us - self._last_us
        if since_us <= 0:
            raise ValueError(
                f"an answer ends at {t_us} us, the one before at {self._last_us} us; end_all first"
            )
        ended = self._pass(since_us, t_us)
        self._last_us = t_us
        ids, changes = self._follow(detections, t_us)
        return Tracked(ids, (*ended, *_by_id(changes)))

    def end_all(self) -> tuple[TrackChange, ...]:
        """Ends every track; the next answer may be of any time."""
        ended = [track.change("end", self._last_us or 0) for track in self._tracks.values() if track.id]
        self._begin()
        return _by_id(ended)

    def _begin(self) -> None:
        settings = self._settings
        self._library = ByteTrack(
            high_conf=settings.high, iou=settings.iou, update=GAIN, lifespan_ns=self._lost_us * 1000
        )
        self._tracks: dict[str, Track] = {}  # by the library's name
        self._clock_us = 0  # of the library, which takes no time before 0
        self._last_us: int | None = None

    def _pass(self, since_us: int, t_us: int) -> tuple[TrackChange, ...]:
        """Lets the frames pass that lie before the next one; ends all where no track waits so long."""
        if since_us > self._lost_us + self._frame_us:
            self._last_us = t_us
            return self.end_all()
        for frame in range(1, round(since_us / self._frame_us)):
            self._library.update(
                NO_XYXY, NO_SCORE, NO_LABEL, (self._clock_us + frame * self._frame_us) * 1000
            )
        self._clock_us += since_us
        return ()

    def _follow(self, detections: Detections, t_us: int) -> tuple[NDArray[np.int64], list[TrackChange]]:
        """Boxes to tracks: the id of each box, and what became of each track."""
        ids = np.full(len(detections), NO_TRACK, np.int64)
        changes: list[TrackChange] = []
        found: dict[str, Track] = {}
        for at, name in self._associated(detections):
            track = found[name] = self._tracks.get(name) or Track(np.zeros(len(self._classes)), t_us)
            score, label = float(detections.score[at]), int(detections.label[at])
            track.add(detections.xyxy[at], score, label, t_us, self._velocity_us)
            changes += self._found(track, t_us)
            ids[at] = track.id
        changes += self._missed(found, t_us)
        return ids, changes

    def _found(self, track: Track, t_us: int) -> Iterator[TrackChange]:
        if track.id != NO_TRACK:
            yield track.change("update", t_us)
        elif track.hits >= self._settings.least_hits:
            track.id, self.next_id = self.next_id, self.next_id + 1
            yield track.change("new", t_us)

    def _missed(self, found: Mapping[str, Track], t_us: int) -> Iterator[TrackChange]:
        """Tracks without a box; those not told of yet are forgotten, for noise seldom comes twice."""
        kept = dict(found)
        for name, track in self._tracks.items():
            if name in found or track.id == NO_TRACK:
                continue
            if track.seen_us + self._lost_us < t_us:
                yield track.change("end", t_us)
                continue
            kept[name] = track
            if not track.lost:
                track.lost = True
                yield track.change("lost", t_us)
        self._tracks = kept

    def _associated(self, detections: Detections) -> Iterator[tuple[int, str]]:
        """Which box goes on with, or begins, which of the library's tracks."""
        strong = np.flatnonzero(detections.score >= self.floor)
        infos = self._library.update(
            np.ascontiguousarray(detections.xyxy[strong]), detections.score[strong],
            detections.label[strong].astype(np.uintp), self._clock_us * 1000,
        )  # fmt: skip
        for at, info in zip(strong.tolist(), infos, strict=True):
            if info is not None:
                yield at, info.uuid


def _by_id(changes: Iterable[TrackChange]) -> tuple[TrackChange, ...]:
    return tuple(sorted(changes, key=lambda change: change.track_id))
