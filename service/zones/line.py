"""`LineWatch`: who goes over one line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from service.zones.counts import LineCounts
from service.zones.geometry import Point, crossings
from service.zones.happening import Direction, Reason, ZoneHappening
from service.zones.seen import Seen
from service.zones.zone import Zone


@dataclass(slots=True)
class _Way:
    """One track and one line.

    Attributes:
        point: where it was last.
        pending: crossings from left to right, less those the other way, that are not sure yet.
        since_us: when the last of them was.
    """

    point: Point
    pending: int = 0
    since_us: int = 0


class LineWatch:
    """Ways over one line, and their counts.

    Args:
        zone: the line.
        counts: what it has counted so far.
    """

    def __init__(self, zone: Zone, counts: LineCounts) -> None:
        self.zone, self.counts = zone, counts
        self._ways: dict[int, _Way] = {}

    def moved(self, seen: Seen, inside: bool, distance_px: float) -> Iterator[ZoneHappening]:
        """A track was seen this far from the line; `inside` has no meaning here."""
        point = seen.point(self.zone.anchor)
        way = self._ways.setdefault(seen.track_id, _Way(point))
        crossed = crossings(way.point, point, self.zone.points)
        way.point = point
        if crossed:
            way.pending, way.since_us = way.pending + crossed, seen.t_us
        held = seen.t_us - way.since_us >= self.zone.hold_ms * 1e3
        if way.pending and (held or distance_px >= self.zone.margin_px):
            yield from self._crossed(seen, way.pending)
            way.pending = 0

    def ended(self, track_id: int, reason: Reason) -> Iterator[ZoneHappening]:
        """A track is no more; what was not sure is not counted."""
        self._ways.pop(track_id, None)
        return iter(())

    def end_all(self, reason: Reason) -> Iterator[ZoneHappening]:
        self._ways.clear()
        return iter(())

    def replaced(self, zone: Zone) -> None:
        """From now on it is this; what was not sure about the old one is not counted."""
        if (zone.points, zone.anchor) != (self.zone.points, self.zone.anchor):
            self._ways.clear()
        self.zone = zone

    def summary(self) -> dict[str, Any]:
        """Its counts, as messages have them."""
        return self.counts.summary()

    def _crossed(self, seen: Seen, times: int) -> Iterator[ZoneHappening]:
        if not self.zone.wants(seen.label):
            return
        direction: Direction = "forward" if times > 0 else "backward"
        counter = self.counts.forward if times > 0 else self.counts.backward
        for _ in range(abs(times)):
            counter[seen.label] += 1
            yield ZoneHappening(
                self.zone.id,
                self.zone.name,
                "cross",
                "moved",
                direction,
                seen.track_id,
                seen.label,
                seen.score,
                seen.xyxy,
                seen.point(self.zone.anchor),
                seen.t_us,
                None,
                {},
            )
