"""`AreaWatch`: who is inside one area."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from service.zones.counts import ZoneCounts
from service.zones.happening import Reason, ZoneEvent, ZoneHappening
from service.zones.seen import Seen
from service.zones.zone import Zone


@dataclass(slots=True)
class _Visit:
    """One track and one area.

    Attributes:
        seen: the track's newest box.
        within: whether it is inside; None before that is sure.
        since_us: when that began.
        counted: inside, and of a class that counts.
        label: the class it is counted as.
        told: how many times of `dwell_s` were told.
        maybe, maybe_us: what it seems to be instead, and since when; None for nothing else.
    """

    seen: Seen
    within: bool | None = None
    since_us: int = 0
    counted: bool = False
    label: str = ""
    told: int = 0
    maybe: bool | None = None
    maybe_us: int = 0

    def settle(self, inside: bool, distance_px: float, zone: Zone) -> None:
        """Believes what is seen once it is far enough from the border, or has been so for long enough."""
        if inside == self.within:
            self.maybe = None
            return
        if inside != self.maybe:
            self.maybe, self.maybe_us = inside, self.seen.t_us
        if distance_px >= zone.margin_px or self.seen.t_us - self.maybe_us >= zone.hold_ms * 1e3:
            self.within, self.since_us, self.maybe = inside, self.maybe_us, None


class AreaWatch:
    """Visits to one area, and their counts.

    Args:
        zone: the area.
        counts: what it has counted so far.
    """

    def __init__(self, zone: Zone, counts: ZoneCounts) -> None:
        self.zone, self.counts = zone, counts
        self._visits: dict[int, _Visit] = {}

    def moved(self, seen: Seen, inside: bool, distance_px: float) -> Iterator[ZoneHappening]:
        """A track was seen inside or outside, this far from the border."""
        visit = self._visits.setdefault(seen.track_id, _Visit(seen))
        before, began_us = visit.within, visit.since_us
        visit.seen = seen
        visit.settle(inside, distance_px, self.zone)
        counted = visit.within is True and self.zone.wants(seen.label)
        if counted and not visit.counted:
            yield self._enter(visit, before)
        elif visit.counted and not counted:
            left_us = seen.t_us if visit.within else visit.since_us
            yield self._leave(visit, "class" if visit.within else "moved", left_us - began_us)
        elif counted and visit.label != seen.label:
            self.counts.relabel(visit.label, seen.label)
            visit.label = seen.label
        if counted:
            yield from self._dwell(visit)

    def ended(self, track_id: int, reason: Reason) -> Iterator[ZoneHappening]:
        """A track is no more; if it is inside, it leaves."""
        visit = self._visits.pop(track_id, None)
        if visit is not None and visit.counted:
            yield self._leave(visit, reason, visit.seen.t_us - visit.since_us)

    def end_all(self, reason: Reason) -> Iterator[ZoneHappening]:
        for track_id in list(self._visits):
            yield from self.ended(track_id, reason)

    def replaced(self, zone: Zone) -> None:
        """From now on it is this; who is inside shows when they are seen next."""
        self.zone = zone

    def summary(self) -> dict[str, Any]:
        """Its counts, as messages have them."""
        stays_us = (visit.seen.t_us - visit.since_us for visit in self._visits.values() if visit.counted)
        return self.counts.summary(sum(stays_us))

    def _enter(self, visit: _Visit, before: bool | None) -> ZoneHappening:
        visit.counted, visit.label, visit.told = True, visit.seen.label, 0
        self.counts.entered[visit.label] += 1
        reasons: dict[bool | None, Reason] = {None: "appeared", False: "moved", True: "class"}
        return self._happening(visit, "enter", reasons[before], None)

    def _leave(self, visit: _Visit, reason: Reason, stayed_us: int) -> ZoneHappening:
        visit.counted = False
        self.counts.leave(visit.label, stayed_us)
        return self._happening(visit, "leave", reason, stayed_us)

    def _dwell(self, visit: _Visit) -> Iterator[ZoneHappening]:
        if self.zone.dwell_s is None:
            return
        stayed_us = visit.seen.t_us - visit.since_us
        times = int(stayed_us / (self.zone.dwell_s * 1e6))
        if times > visit.told:
            visit.told = times
            yield self._happening(visit, "dwell", "moved", stayed_us)

    def _happening(
        self, visit: _Visit, event: ZoneEvent, reason: Reason, stayed_us: int | None
    ) -> ZoneHappening:
        seen = visit.seen
        return ZoneHappening(
            self.zone.id,
            self.zone.name,
            event,
            reason,
            None,
            seen.track_id,
            visit.label,
            seen.score,
            seen.xyxy,
            seen.point(self.zone.anchor),
            seen.t_us,
            None if stayed_us is None else round(stayed_us / 1e6, 3),
            self.counts.inside(),
        )
