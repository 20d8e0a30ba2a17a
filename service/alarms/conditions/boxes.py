"""Conditions on boxes and tracks."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.alarms.conditions.base import Condition, Finding, Spell
from service.alarms.schemas import ClassWhen, CountWhen
from service.answers import Answer


class ClassCondition(Condition):
    """A box of one of `classes` (empty for all) is there, for long enough, in the events' time."""

    lasting = True

    def __init__(self, when: ClassWhen, classes: Collection[str]) -> None:
        self._when, self._classes = when, classes
        self._spell = Spell(when.for_ms * 1000)
        self._seen_us: int | None = None

    def answered(self, answer: Answer, now_s: float) -> Finding | None:
        found, t_us = answer.detections, answer.t_us[1]
        hits = np.flatnonzero(_wanted(answer, self._classes) & (found.score >= self._when.score))
        if not len(hits):
            if self._seen_us is None or not 0 <= t_us - self._seen_us <= self._when.gap_ms * 1000:
                self._spell.look(False, t_us)
            return None
        self._seen_us = t_us
        if not self._spell.look(True, t_us):
            return None
        best = int(hits[np.argmax(found.score[hits])])
        label, score = found.classes[int(found.label[best])], float(found.score[best])
        lasting = f" for {self._when.for_ms / 1e3:g} s" if self._when.for_ms else ""
        details: dict[str, Any] = {
            "label": label,
            "score": round(score, 4),
            "xyxy": [round(float(side), 2) for side in found.xyxy[best]],
            "limit": self._when.score,
        }
        return Finding(f"{label} seen with score {score:.2f}{lasting}", details, t_us)

    def accepted(self) -> None:
        self._spell.told()

    def was_reset(self) -> None:
        self._spell.reset()
        self._seen_us = None


class CountCondition(Condition):
    """So many boxes or tracks of `classes` (empty for all) are there at once, in the events' time."""

    lasting = True

    def __init__(self, when: CountWhen, classes: Collection[str]) -> None:
        self._when, self._classes = when, classes
        self._spell = Spell(when.for_ms * 1000)
        self._tracks: dict[int, str] = {}

    def answered(self, answer: Answer, now_s: float) -> Finding | None:
        count = self._boxes(answer) if self._when.of == "boxes" else self._alive(answer)
        least, t_us = self._when.at_least, answer.t_us[1]
        if not self._spell.look(count >= least, t_us):
            return None
        words = f"{count} {self._when.of}, at least {least}"
        return Finding(words, {"of": self._when.of, "value": count, "limit": least}, t_us)

    def accepted(self) -> None:
        self._spell.told()

    def was_reset(self) -> None:
        self._spell.reset()
        self._tracks.clear()

    def _boxes(self, answer: Answer) -> int:
        return int(_wanted(answer, self._classes).sum())

    def _alive(self, answer: Answer) -> int:
        """Tracks that are seen: neither lost nor ended."""
        for change in answer.changes:
            if change.change in ("new", "update"):
                self._tracks[change.track_id] = answer.detections.classes[change.label]
            else:
                self._tracks.pop(change.track_id, None)
        return sum(not self._classes or label in self._classes for label in self._tracks.values())


def _wanted(answer: Answer, classes: Collection[str]) -> NDArray[np.bool_]:
    """(N,) which boxes are of `classes`, empty for all."""
    known = answer.detections.classes
    if not classes:
        return np.ones(len(answer.detections), np.bool_)
    return np.isin(answer.detections.label, [at for at, name in enumerate(known) if name in classes])
