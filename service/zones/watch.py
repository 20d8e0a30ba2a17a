"""`Watch`: all zones of one stream over its tracks: changes of tracks in, happenings out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from model.tracking.tracks import TrackChange
from service.zones.area import AreaWatch
from service.zones.counts import LineCounts, ZoneCounts
from service.zones.geometry import Shapes
from service.zones.happening import Reason, ZoneHappening
from service.zones.line import LineWatch
from service.zones.seen import Seen
from service.zones.zone import Zone

Counts: TypeAlias = ZoneCounts | LineCounts


class Watch:
    """The zones of a stream, who is in them, and what they have counted.

    Args:
        zones: areas and lines.
        counts: what they have counted so far, by id; those that are missing begin at zero.

    Attributes:
        size: (width, height) of the sensor, None before it is known.
    """

    def __init__(self, zones: Sequence[Zone] = (), counts: Mapping[str, Counts] | None = None) -> None:
        self.size: tuple[int, int] | None = None
        self._lost: set[int] = set()
        self._parts: list[AreaWatch | LineWatch] = []
        self._shapes = Shapes(())
        self._take(zones, counts or {}, {})

    @property
    def zones(self) -> tuple[Zone, ...]:
        return tuple(part.zone for part in self._parts)

    @property
    def counts(self) -> dict[str, Counts]:
        """By id."""
        return {part.zone.id: part.counts for part in self._parts}

    def summary(self, zone_id: str) -> dict[str, Any]:
        """Counts of one, as messages have them."""
        return next(part.summary() for part in self._parts if part.zone.id == zone_id)

    def replace(self, zones: Sequence[Zone]) -> list[ZoneHappening]:
        """Watches these from now on; those with an id that is known keep their counts and who is inside."""
        known = {part.zone.id: part for part in self._parts}
        stay = {zone.id for zone in zones if zone.id in known and known[zone.id].zone.kind == zone.kind}
        gone = [part for part in self._parts if part.zone.id not in stay]
        told = [happening for part in gone for happening in part.end_all("removed")]
        self._take(zones, {}, {zone_id: known[zone_id] for zone_id in stay})
        return told

    def see(self, changes: Sequence[TrackChange], classes: Sequence[str]) -> list[ZoneHappening]:
        """The tracks of one answer; `classes` are the names of their labels."""
        if not self._parts:
            return []
        seen = [
            Seen.of(change, classes, self.size) for change in changes if change.change in ("new", "update")
        ]
        told = list(self._moved(seen))
        self._lost.difference_update(one.track_id for one in seen)
        self._lost.update(change.track_id for change in changes if change.change == "lost")
        for change in changes:
            if change.change == "end":
                told += self._ended(change.track_id)
        return told

    def end_all(self) -> list[ZoneHappening]:
        """The stream began anew, or has ended."""
        self._lost.clear()
        return [happening for part in self._parts for happening in part.end_all("ended")]

    def _take(
        self,
        zones: Sequence[Zone],
        counts: Mapping[str, Counts],
        known: Mapping[str, AreaWatch | LineWatch],
    ) -> None:
        self._parts = [known.get(zone.id) or _part(zone, counts.get(zone.id)) for zone in zones]
        for part, zone in zip(self._parts, zones, strict=True):
            part.replaced(zone)
        self._shapes = Shapes(zones)

    def _moved(self, seen: Sequence[Seen]) -> Iterator[ZoneHappening]:
        if not seen:
            return
        inside, distance_px = self._shapes.look(self._points(seen))
        rows = zip(self._parts, inside.tolist(), distance_px.tolist(), strict=True)
        for part, insides, distances_px in rows:
            for one, is_inside, far_px in zip(seen, insides, distances_px, strict=True):
                yield from part.moved(one, is_inside, far_px)

    def _points(self, seen: Sequence[Seen]) -> NDArray[np.float64]:
        """(Z, N, 2): the point of each box that counts for each zone."""
        return np.array([[one.point(part.zone.anchor) for one in seen] for part in self._parts], np.float64)

    def _ended(self, track_id: int) -> Iterator[ZoneHappening]:
        # A track that was seen just now ends only because its stream began anew, was cut off or stopped.
        reason: Reason = "lost" if track_id in self._lost else "ended"
        self._lost.discard(track_id)
        for part in self._parts:
            yield from part.ended(track_id, reason)


def _part(zone: Zone, counts: Counts | None) -> AreaWatch | LineWatch:
    if zone.kind == "line":
        return LineWatch(zone, counts if isinstance(counts, LineCounts) else LineCounts())
    return AreaWatch(zone, counts if isinstance(counts, ZoneCounts) else ZoneCounts())
