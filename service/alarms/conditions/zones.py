"""Conditions on zones and lines."""

from __future__ import annotations

from collections.abc import Callable, Collection

from service.alarms.conditions.base import Condition, Finding, Spell
from service.alarms.schemas import InsideWhen, LineWhen, ZoneWhen
from service.happenings import Happening
from service.zones.happening import ZoneHappening

_NOT_SEEN = ("ended", "removed")
"""Reasons to leave that say nothing of the track: its stream or the zone is no more."""
_VERBS = {"enter": "entered", "leave": "left", "dwell": "stays in"}


class ZoneCondition(Condition):
    """A track of one of `classes` (empty for all) enters, leaves or stays in a zone."""

    def __init__(self, when: ZoneWhen, classes: Collection[str]) -> None:
        self._when, self._classes = when, classes

    def happened(self, happening: Happening, now_s: float) -> Finding | None:
        if not isinstance(happening, ZoneHappening) or happening.event != self._when.event:
            return None
        if happening.reason in _NOT_SEEN:
            return None
        if not _is_of(happening, self._when.zone) or not _counts(happening, self._classes):
            return None
        stay = "" if happening.dwell_s is None else f" for {happening.dwell_s:.1f} s"
        words = f"{happening.label} {happening.track_id} {_VERBS[happening.event]} {happening.zone_name}"
        if happening.event == "leave":
            stay = stay and f" after {happening.dwell_s:.1f} s"
        return Finding(words + stay, happening.to_message(), happening.t_us)


class LineCondition(Condition):
    """A track of one of `classes` (empty for all) crosses a line."""

    def __init__(self, when: LineWhen, classes: Collection[str]) -> None:
        self._when, self._classes = when, classes

    def happened(self, happening: Happening, now_s: float) -> Finding | None:
        if not isinstance(happening, ZoneHappening) or happening.event != "cross":
            return None
        if not _is_of(happening, self._when.line) or not _counts(happening, self._classes):
            return None
        if self._when.direction not in ("any", happening.direction):
            return None
        words = f"{happening.label} {happening.track_id} crossed {happening.zone_name} {happening.direction}"
        return Finding(words, happening.to_message(), happening.t_us)


class InsideCondition(Condition):
    """More tracks of some classes than so many are in a zone.

    Args:
        inside: how many are in the zone now, by class.
        classes: those that count, empty for all.
    """

    lasting = True

    def __init__(
        self, when: InsideWhen, classes: Collection[str], inside: Callable[[], dict[str, int]]
    ) -> None:
        self._when, self._classes, self._inside = when, classes, inside
        self._spell = Spell(when.for_s)

    def happened(self, happening: Happening, now_s: float) -> Finding | None:
        if not isinstance(happening, ZoneHappening) or not _is_of(happening, self._when.zone):
            return None
        return self._look(now_s, happening.t_us)

    def tick(self, now_s: float) -> Finding | None:
        return self._look(now_s, None)

    def accepted(self) -> None:
        self._spell.told()

    def _look(self, now_s: float, t_us: int | None) -> Finding | None:
        inside = {
            label: count
            for label, count in self._inside().items()
            if not self._classes or label in self._classes
        }
        total, most = sum(inside.values()), self._when.more_than
        if not self._spell.look(total > most, now_s):
            return None
        words = f"{total} inside {self._when.zone}, more than {most}"
        return Finding(
            words, {"zone": self._when.zone, "inside": inside, "value": total, "limit": most}, t_us
        )


def _is_of(happening: ZoneHappening, zone: str) -> bool:
    return zone in (happening.zone_id, happening.zone_name)


def _counts(happening: ZoneHappening, classes: Collection[str]) -> bool:
    return not classes or happening.label in classes
