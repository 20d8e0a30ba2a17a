"""`Zones`: the zones and lines of every stream."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

import structlog

from service.documents import Documents
from service.errors import StoreUnavailable, UnknownZone
from service.observers import Observer, StreamPort
from service.telemetry import Metrics
from service.zones.geometry import Point
from service.zones.kept import KeptZones
from service.zones.observer import ZoneObserver
from service.zones.rules import changed, check_zones, problem_of_zone, size_of
from service.zones.schemas import LineSpec, Placed, ZoneChange, ZoneSpec
from service.zones.watch import Watch
from service.zones.zone import Zone

MAX_ZONES = 64
SAVE_COUNTS_S = 60.0

_log = structlog.get_logger("service.zones")


class Zones:
    """Every stream's zones. A change is on disk before it takes effect, and takes effect at once.

    Args:
        documents: where they outlive the process.
        metrics: where events are counted.
        max_zones: zones and lines of one stream.
        save_s: seconds between two saves of the counts; a kill loses what was counted since the last.
    """

    def __init__(
        self,
        documents: Documents,
        metrics: Metrics,
        max_zones: int = MAX_ZONES,
        save_s: float = SAVE_COUNTS_S,
    ) -> None:
        self._kept, self._metrics = KeptZones(documents), metrics
        self._max_zones, self._save_s = max_zones, save_s
        self._watches: dict[str, Watch] = {}
        self._changing = asyncio.Lock()
        self._saver: asyncio.Task[None] | None = None
        self._forgetting: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Reads what was kept; raises StoreUnavailable."""
        self._watches = await self._kept.watches()
        self._saver = asyncio.create_task(self._save_forever(), name="zone-counts")

    async def close(self) -> None:
        """Saves the counts."""
        if self._saver is not None:
            self._saver.cancel()
            await asyncio.wait([self._saver])
        await asyncio.gather(*self._forgetting)
        await _reported(self._save_counts())

    def observe(self, stream: StreamPort) -> Observer:
        """Watches a stream from now on; an `ObserverMaker`."""
        watch = self._watches.setdefault(stream.id, Watch())
        watch.size = size_of(stream)
        return ZoneObserver(stream, watch, self._metrics, self._publish, self._ended)

    def describe(self, stream: StreamPort) -> list[dict[str, Any]]:
        """Every zone and line of a stream with its counts, see `schemas.ZoneTold`."""
        watch = self._watch(stream.id)
        return [_described(stream, zone, watch) for zone in watch.zones]

    def describe_one(self, stream: StreamPort, zone_id: str) -> dict[str, Any]:
        """One of them, by id or name; raises UnknownZone."""
        return _described(stream, self.get(stream.id, zone_id), self._watch(stream.id))

    def all(self, stream_id: str) -> tuple[Zone, ...]:
        """The zones and lines of a stream."""
        return self._watch(stream_id).zones

    def get(self, stream_id: str, zone_id: str) -> Zone:
        """The zone or line of this id or name; raises UnknownZone."""
        zones = self.all(stream_id)
        by_name = (zone for zone in zones if zone.name == zone_id)
        found = next((zone for zone in zones if zone.id == zone_id), None) or next(by_name, None)
        if found is None:
            names = ", ".join(repr(zone.name) for zone in zones) or "none"
            raise UnknownZone(f"found no zone or line {zone_id[:100]!r} on this stream; there are {names}")
        return found

    def inside(self, stream_id: str, zone_id: str) -> dict[str, int]:
        """How many are in a zone now, by class; raises UnknownZone, also where it is a line."""
        zone = self._area(stream_id, zone_id)
        found: dict[str, int] = self._watch(stream_id).summary(zone.id)["inside"]
        return found

    def polygon(self, stream_id: str, zone_id: str) -> tuple[Point, ...]:
        """Corners of an area in order, sensor pixels; raises UnknownZone, also where it is a line."""
        return self._area(stream_id, zone_id).points

    async def put(self, stream: StreamPort, asked: Sequence[Placed]) -> None:
        """All zones of a stream anew; those whose id is given keep it and their counts.

        Raises:
            BadZone: one makes no sense here, or two have one name or id.
            UnknownZone: an id that no zone of this stream has.
            StoreUnavailable: nothing was changed.
        """
        async with self._changing:
            known = {zone.id: zone for zone in self.all(stream.id)}
            for one in asked:
                if one.id is not None and one.id not in known:
                    raise UnknownZone(
                        f"found no zone or line {one.id!r} on this stream; leave id out for a new one"
                    )
            zones = [Zone.of(one.id or uuid.uuid4().hex, one) for one in asked]
            await self._change(stream, zones, [zone for zone in zones if zone != known.get(zone.id)])

    async def add(self, stream: StreamPort, spec: ZoneSpec | LineSpec) -> str:
        """One more; its id. Raises BadZone, StoreUnavailable."""
        zone = Zone.of(uuid.uuid4().hex, spec)
        async with self._changing:
            await self._change(stream, [*self.all(stream.id), zone], [zone])
        return zone.id

    async def change(self, stream: StreamPort, zone_id: str, change: ZoneChange) -> None:
        """Some of one; raises UnknownZone, BadZone, StoreUnavailable."""
        async with self._changing:
            old = self.get(stream.id, zone_id)
            new = changed(old, change)
            await self._change(stream, [new if zone is old else zone for zone in self.all(stream.id)], [new])

    async def remove(self, stream: StreamPort, zone_id: str) -> None:
        """Those inside leave it; raises UnknownZone, StoreUnavailable."""
        async with self._changing:
            old = self.get(stream.id, zone_id)
            await self._change(stream, [zone for zone in self.all(stream.id) if zone is not old], [])

    def clear_counts(self, stream: StreamPort, zone_id: str) -> None:
        """Begins to count anew; raises UnknownZone."""
        self._watch(stream.id).counts[self.get(stream.id, zone_id).id].clear()

    async def forget(self, stream_id: str) -> None:
        """A stream is deleted, and its zones with it; raises StoreUnavailable."""
        async with self._changing:
            self._watches.pop(stream_id, None)
            await self._kept.forget(stream_id)

    async def keep_only(self, stream_ids: Iterable[str]) -> None:
        """Forgets the zones of all other streams: after a kill those are left that can never come back."""
        for stream_id in set(self._watches) - set(stream_ids):
            await self.forget(stream_id)

    def _area(self, stream_id: str, zone_id: str) -> Zone:
        zone = self.get(stream_id, zone_id)
        if zone.kind == "line":
            raise UnknownZone(f"{zone.name!r} is a line; name a zone, which has an inside")
        return zone

    def _watch(self, stream_id: str) -> Watch:
        """That of a stream; an empty one where there is none."""
        return self._watches.get(stream_id) or Watch()

    async def _change(self, stream: StreamPort, zones: Sequence[Zone], news: Sequence[Zone]) -> None:
        """Checks what is new, keeps all on disk, lets it take effect, and tells the viewers."""
        check_zones(stream, zones, news, self._max_zones)
        await self._kept.save_zones(stream.id, zones)
        for happening in self._watches.setdefault(stream.id, Watch()).replace(zones):
            stream.happened(happening)
        self._publish(stream)

    def _publish(self, stream: StreamPort) -> None:
        stream.publish({"type": "zones", "zones": self.describe(stream)})

    def _ended(self, stream: StreamPort) -> None:
        # A stream that is not kept never comes back under its id.
        if not stream.spec.keep:
            self._watches.pop(stream.id, None)
            task = asyncio.create_task(_reported(self.forget(stream.id)), name="forget-zones")
            self._forgetting.add(task)
            task.add_done_callback(self._forgetting.discard)

    async def _save_forever(self) -> None:
        while True:
            await asyncio.sleep(self._save_s)
            await _reported(self._save_counts())

    async def _save_counts(self) -> None:
        for stream_id, watch in list(self._watches.items()):
            await self._kept.save_counts(stream_id, watch.counts)


async def _reported(work: Coroutine[Any, Any, None]) -> None:
    """What the database refuses in the background is a line in the log; the next save tries counts again."""
    try:
        await work
    except StoreUnavailable as error:
        _log.warning("zones not saved", error=str(error))


def _described(stream: StreamPort, zone: Zone, watch: Watch) -> dict[str, Any]:
    """As `schemas.ZoneTold` has it, plain types only."""
    return {
        **zone.to_json(),
        "problem": problem_of_zone(stream, zone),
        "since": watch.counts[zone.id].since.isoformat(),
        "counts": watch.summary(zone.id),
    }
