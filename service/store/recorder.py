"""`Recorder`: the observer that remembers a stream."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from model.tracking.tracks import NO_TRACK
from service.answers import Answer
from service.happenings import Happening
from service.observers import Observer, StreamPort
from service.store.entries import Boxes, Entry, Happened, Watched
from service.store.trails import Trail
from streaming.source import SourceInfo

_FARTHEST_CPX = 1 << 30


class Recorder(Observer):
    """Hands what is worth keeping to `keep`, which does not wait.

    Args:
        stream: what is observed.
        keep: takes entries.
        interval_s: boxes are kept of one answer in each span of so many seconds; 0 for all.
        now_s: a clock that only goes forward.
    """

    def __init__(
        self,
        stream: StreamPort,
        keep: Callable[[Entry], None],
        interval_s: float,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keep, self._interval_s, self._now_s = keep, interval_s, now_s
        self._watched = Watched(_storable(stream.id), _storable(stream.name))
        self._trails: dict[int, Trail] = {}
        self._counted: defaultdict[int, set[int]] = defaultdict(set)  # labels kept of tracks that live
        self._span, self._wall_us = -1, 0
        if stream.info is not None:
            self.sized(stream.info)

    @property
    def watched(self) -> Watched:
        """The stream, as it is kept."""
        return self._watched

    def sized(self, info: SourceInfo) -> None:
        self._watched = replace(self._watched, width=info.width, height=info.height)

    def answered(self, answer: Answer) -> None:
        wall_us = self._next_us()
        if len(answer.detections) and self._due():
            self._keep(self._boxes(answer, wall_us))
        self._follow(answer, wall_us)

    def happened(self, happening: Happening) -> None:
        body = happening.to_message()
        self._keep(Happened(self._watched, self._next_us(), str(body.get("type", "")), body))

    def ended(self) -> None:
        wall_us = self._next_us()
        for trail in self._trails.values():
            self._keep(trail.end(self._watched, wall_us))
        self._trails.clear()
        self._counted.clear()

    def _due(self) -> bool:
        """The clock is cut into spans of the interval; the first answer with boxes in each is kept."""
        if not self._interval_s:
            return True
        last, self._span = self._span, int(self._now_s() / self._interval_s)
        return self._span != last

    def _boxes(self, answer: Answer, wall_us: int) -> Boxes:
        found = answer.detections
        sides = np.clip(np.rint(found.xyxy.astype(np.float64) * 100), -_FARTHEST_CPX, _FARTHEST_CPX)
        ids = [NO_TRACK] * len(found) if answer.track_ids is None else answer.track_ids.tolist()
        labels = found.label.tolist()
        return Boxes(
            self._watched,
            wall_us,
            answer.t_us[1],
            [found.classes[label] for label in labels],
            np.rint(found.score.astype(np.float64) * 1e4).astype(np.int64).tolist(),
            sides.astype(np.int64).tolist(),
            [None if track_id == NO_TRACK else track_id for track_id in ids],
            [self._begins(track_id, label) for track_id, label in zip(ids, labels, strict=True)],
        )

    def _begins(self, track_id: int, label: int) -> bool:
        """Whether no box of this track and class was kept before."""
        if track_id == NO_TRACK or label in self._counted[track_id]:
            return False
        self._counted[track_id].add(label)
        return True

    def _follow(self, answer: Answer, wall_us: int) -> None:
        for change in answer.changes:
            trail = self._trails.get(change.track_id)
            if trail is None:
                trail = self._trails[change.track_id] = Trail(change, wall_us)
            trail.add(change, answer.detections.classes)
            if change.change == "end":
                self._keep(trail.end(self._watched, wall_us))
                del self._trails[change.track_id]
                self._counted.pop(change.track_id, None)

    def _next_us(self) -> int:
        """The time of day; later than the last, whatever is done to the clock: keys are made of it."""
        self._wall_us = max(self._wall_us + 1, time.time_ns() // 1000)
        return self._wall_us


def _storable(text: str) -> str:
    """Without what some databases do not take in a text."""
    return text.encode("utf8", "replace").decode("utf8").replace("\0", "?")
