"""`Association`: which box goes on with which track, by the ByteTrack of a library.

ByteTrack (Zhang et al., ECCV 2022) gives boxes of high score to tracks first, then those of low score to the
tracks that are left, each time with the largest overlap in all. The library moves tracks on by one frame at
each call, however long that lasted; here as many frames without boxes pass as time did between two answers.
"""

from __future__ import annotations

import numpy as np
from edgefirst.tracker import ByteTrack
from numpy.typing import NDArray

from model.tracking.settings import TrackerSettings

GAIN = 0.5
"""Of the Kalman filter's gain, the share that the library takes: boxes jump more than objects do."""
NO_XYXY, NO_SCORE, NO_LABEL = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.uintp)


class Association:
    """Tracks by the library's names, UUIDs that never come again; the first boxes are those of `begun_us`."""

    def __init__(self, settings: TrackerSettings, begun_us: int) -> None:
        self._settings = settings
        self._frame_us, self._lost_us = round(settings.frame_ms * 1e3), round(settings.lost_ms * 1e3)
        self._library = self._new_library()
        self._begun_us = self._last_us = self._boxes_us = begun_us

    def names(self, xyxy: NDArray[np.float32], score: NDArray[np.float32], t_us: int) -> list[str | None]:
        """The track of each box, None without one.

        Args:
            xyxy: (N, 4), all at the same time.
            score: (N,).
            t_us: later than the last one.
        """
        if not len(score) and t_us > self._boxes_us + self._lost_us:
            return []  # no track can be left
        if t_us - self._last_us > self._lost_us + self._frame_us:
            self._begin(t_us)
        self._pass(t_us)
        if len(score):
            self._boxes_us = t_us
        labels = np.zeros(len(score), np.uintp)  # which the library hands back and does not look at
        found = self._library.update(np.ascontiguousarray(xyxy), score, labels, self._clock_ns(t_us))
        return [None if each is None else each.uuid for each in found]

    def _begin(self, t_us: int) -> None:
        self._library = self._new_library()
        self._begun_us = self._last_us = self._boxes_us = t_us

    def _new_library(self) -> ByteTrack:
        return ByteTrack(
            high_conf=self._settings.high, iou=self._settings.iou, update=GAIN,
            lifespan_ns=self._lost_us * 1000,
        )  # fmt: skip

    def _pass(self, t_us: int) -> None:
        """Lets the frames pass that lie before `t_us`."""
        for frame in range(1, round((t_us - self._last_us) / self._frame_us)):
            at_ns = self._clock_ns(self._last_us + frame * self._frame_us)
            self._library.update(NO_XYXY, NO_SCORE, NO_LABEL, at_ns)
        self._last_us = t_us

    def _clock_ns(self, t_us: int) -> int:
        """Of the library, which takes no time before 0."""
        return (t_us - self._begun_us) * 1000
