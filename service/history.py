"""`History`: what the service remembers: what it was told to keep, and what was seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog
from sqlalchemy import Connection, Table, func, select

from service.errors import BadRequest, StoreUnavailable
from service.observers import Observer, StreamPort
from service.settings import Settings
from service.store import retention
from service.store.area import Area
from service.store.counts import Bucket, counts
from service.store.database import Database, database_url
from service.store.documents import Documents
from service.store.entries import Entry, put
from service.store.export_formats import Format
from service.store.exports import Exports
from service.store.filters import Filter, check_streams
from service.store.lane import Lane
from service.store.paging import Ask, Page, page
from service.store.reader import Reader
from service.store.recorder import Recorder
from service.store.store import Store
from service.store.tables import detections, tracks, watched
from service.store.writer import Writer

READ_S = 20.0
CLOSE_S = 3.0
TIDY_S = 60.0
EVENT_ROWS, BOX_ROWS = 5_000, 20_000
"""Most rows that wait to be written: ends of tracks and happenings; boxes."""
_DAY_US = 86_400_000_000
_RECENT_ROWS = 1_000

ZoneOf = Callable[[str, str], Area | None]
_log = structlog.get_logger("service.history")


class History:
    """The database of one service: documents that are kept, and the history of its streams.

    Attributes:
        documents: streams, zones, lines, alarms.
        zone_of: gives the zone of a stream (id or name) by id or name, None where there is none; whoever
            knows zones puts it here.
    """

    def __init__(
        self, settings: Settings, store: Store, exports: Exports, lanes: tuple[Lane[Entry], ...]
    ) -> None:
        self._settings, self._store, self._exports = settings, store, exports
        self._events, self._boxes = lanes
        self._known: set[str] = set()
        self._tidy = asyncio.Lock()
        self._used_bytes = 0
        self._tidying: asyncio.Task[None] | None = None
        self.documents = Documents(store)
        self.zone_of: ZoneOf = lambda _stream, _zone: None

    @classmethod
    async def open(cls, settings: Settings, data_folder: Path) -> Self:
        """Opens the database of the settings, SQLite in `data_folder` where they name none.

        Raises:
            BadSetting: `database_url` means nothing, or its driver is not installed.
            StoreDamaged, StoreTooNew, StoreUnavailable: see `service/errors.py`.
        """
        text = "" if settings.database_url is None else settings.database_url.get_secret_value()
        url = database_url(text, data_folder)
        database = await asyncio.to_thread(Database.open, url)
        lanes = (Lane[Entry]("history-events", EVENT_ROWS), Lane[Entry]("history-boxes", BOX_ROWS))
        store = Store(database, Reader(database, READ_S), Writer(database, put, lanes))
        exports = Exports(data_folder / "exports", url, settings)
        await exports.prepare()
        history = cls(settings, store, exports, lanes)
        history._tidying = asyncio.create_task(history._keep_tidy(), name="history-retention")
        return history

    async def close(self) -> None:
        """Writes what waits, for some seconds at most, and closes the database."""
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.wait([self._tidying])
        await self._store.close(CLOSE_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def on(self) -> bool:
        """Anything is kept of streams."""
        return self._settings.history_max_mb > 0

    def observe(self, stream: StreamPort) -> Observer:
        """What remembers `stream`."""
        self._known |= {stream.id, stream.name}
        if not self.on:
            return Observer()
        return Recorder(stream, self._keep, self._settings.history_interval_ms / 1e3)

    async def page(self, table: Table, ask: Ask) -> Page:
        """A page of detections, tracks or happenings.

        Raises:
            UnknownStream: no stream of that id or name was seen, as far as history goes back.
            StoreUnavailable, DeadlineExceeded: of the database.
        """
        return await self._store.read(lambda connection: self._page(connection, table, ask))

    async def counts(self, asked: Filter, bucket_us: int) -> list[Bucket]:
        """Boxes and tracks over time; raises as `page`."""
        return await self._store.read(lambda connection: self._counts(connection, asked, bucket_us))

    async def export(self, asked: Filter, form: Format) -> Path:
        """A file of detections, alone in a folder; the caller removes both. Raises as `page`, `Exports`."""
        await self._store.read(lambda connection: check_streams(connection, asked, self._known))
        return await self._exports.make(asked, form)

    def area(self, streams: tuple[str, ...], zone: str) -> Area:
        """The zone that boxes are asked for by; raises BadRequest where it is none of the one stream's."""
        if len(streams) != 1:
            raise BadRequest(
                f"zone is {zone!r} and {len(streams)} streams are named; name the one it belongs to"
            )
        area = self.zone_of(streams[0], zone)
        if area is None:
            raise BadRequest(
                f"stream {streams[0]!r} has no zone {zone!r}; GET /streams/{{id}}/zones lists them"
            )
        return area

    async def last_track_id(self, stream_id: str) -> int:
        """The greatest id that a track of this stream is known to have had, 0 for none."""
        return await self._store.read(lambda connection: _last_track_id(connection, stream_id))

    def health(self) -> dict[str, Any]:
        """State, what waits, what was written and what was lost; plain types."""
        writer = self._store.writer
        state = "off" if not self.on else "failing" if writer.fault else "ok"
        return {
            "state": state,
            "detail": writer.fault,
            "database": self._store.database.name,
            "used_bytes": self._used_bytes,
            "rows": writer.rows,
            "refused": writer.refused,
            "queues": writer.queues(),
        }

    async def tidy(self) -> None:
        """Forgets what is too old or too much, and gives its room back; raises StoreUnavailable."""
        async with self._tidy:
            await self._forget()

    async def _forget(self) -> None:
        cut_us = time.time_ns() // 1000 - round(self._settings.history_days * _DAY_US)
        while await self._store.write(lambda connection: retention.forget_older(connection, cut_us)):
            pass
        most = self._settings.history_max_mb << 20
        used = await self._store.write(retention.used_bytes)
        if used > most:
            while used > retention.SLACK * most:
                used = await self._store.write(partial(retention.forget_oldest, used=used))
            await self._store.write(retention.settle)
        self._used_bytes = used
        await self._store.write(partial(retention.forget_tallies, cut_us=cut_us))
        await self._store.write(retention.forget_streams)
        while await self._store.write(retention.give_back):
            pass

    def _keep(self, entry: Entry) -> None:
        self._store.writer.offer(self._boxes if entry.table is detections else self._events, entry)

    def _page(self, connection: Connection, table: Table, ask: Ask) -> Page:
        check_streams(connection, ask.filter, self._known)
        return page(connection, table, ask)

    def _counts(self, connection: Connection, asked: Filter, bucket_us: int) -> list[Bucket]:
        check_streams(connection, asked, self._known)
        return counts(connection, asked, bucket_us)

    async def _keep_tidy(self) -> None:
        while True:
            try:
                await self.tidy()
            except StoreUnavailable as error:
                _log.warning("history not tidied", reason=str(error))
            await asyncio.sleep(TIDY_S)


def _last_track_id(connection: Connection, stream_id: str) -> int:
    key = select(watched.c.key).where(watched.c.stream_id == stream_id).scalar_subquery()
    ended = select(func.max(tracks.c.number)).where(tracks.c.stream == key)
    # Those that a killed service could not end are among the latest boxes.
    latest = select(detections.c.track_id).where(detections.c.stream == key)
    latest = latest.order_by(detections.c.wall_us.desc()).limit(_RECENT_ROWS)
    alive = select(func.max(latest.subquery().c.track_id))
    return max(connection.scalar(ended) or 0, connection.scalar(alive) or 0)
