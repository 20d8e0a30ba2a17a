"""Zones and their counts as the documents that outlive the process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import structlog

from service.documents import Documents
from service.zones.counts import LineCounts, ZoneCounts
from service.zones.watch import Counts, Watch
from service.zones.zone import Zone

ZONES, COUNTS = "zones", "zone_counts"

_log = structlog.get_logger("service.zones")


class KeptZones:
    """One document a stream for its zones, one for what they have counted.

    Args:
        documents: where they are kept; everything raises what it raises.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._counts: dict[str, dict[str, Any]] = {}
        self._known: set[str] = set()

    async def watches(self) -> dict[str, Watch]:
        """All, by stream; what this version cannot read is passed over, with a line in the log."""
        zones, counts = await self._documents.all(ZONES), await self._documents.all(COUNTS)
        self._known = {*zones, *counts}
        return {
            stream_id: Watch(
                list(_zones(stream_id, body)), dict(_counts(stream_id, counts.get(stream_id, {})))
            )
            for stream_id, body in zones.items()
        }

    async def save_zones(self, stream_id: str, zones: Sequence[Zone]) -> None:
        """In place of those that were there."""
        self._known.add(stream_id)
        await self._documents.save(ZONES, stream_id, {"zones": [zone.to_json() for zone in zones]})

    async def save_counts(self, stream_id: str, counts: Mapping[str, Counts]) -> None:
        """Where they have changed."""
        body = {"counts": {zone_id: one.to_json() for zone_id, one in counts.items()}}
        if counts and body != self._counts.get(stream_id):
            self._known.add(stream_id)
            await self._documents.save(COUNTS, stream_id, body)
            self._counts[stream_id] = body

    async def forget(self, stream_id: str) -> None:
        """As if there had never been any."""
        if stream_id in self._known:
            await self._documents.delete(ZONES, stream_id)
            await self._documents.delete(COUNTS, stream_id)
            self._known.discard(stream_id)
            self._counts.pop(stream_id, None)


def _zones(stream_id: str, body: Mapping[str, Any]) -> Iterator[Zone]:
    for one in body.get("zones", ()):
        try:
            yield Zone.from_json(one)
        except (ValueError, KeyError, TypeError) as error:
            _log.error(
                "kept zone not understood", stream=stream_id, zone=str(one)[:200], error=str(error)[:200]
            )


def _counts(stream_id: str, body: Mapping[str, Any]) -> Iterator[tuple[str, Counts]]:
    for zone_id, one in body.get("counts", {}).items():
        try:
            yield zone_id, (LineCounts if "forward" in one else ZoneCounts).from_json(one)
        except (ValueError, KeyError, TypeError) as error:
            _log.error("kept counts not understood", stream=stream_id, zone=zone_id, error=str(error)[:200])
