"""`Keeper`: the streams that come back after a restart of the service."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from model.errors import BadSetting
from service.errors import StoreUnavailable
from service.options import StreamSpec
from service.store.streams import StreamRecord

_log = structlog.get_logger("service.keeping")


class StreamTable(Protocol):
    """Where streams are kept, as `service.store.streams.Streams`."""

    async def save(self, record: StreamRecord) -> None: ...

    async def delete(self, stream_id: str) -> bool: ...

    async def all(self) -> list[StreamRecord]: ...


class Keeper:
    """Writes kept streams down in the order of their changes, and reads them at the start.

    Args:
        table: where they are kept.
    """

    def __init__(self, table: StreamTable) -> None:
        self._table = table
        self._created: dict[str, datetime] = {}
        self._last: asyncio.Task[None] | None = None

    async def streams(self) -> list[tuple[str, str, StreamSpec]]:
        """Id, name and spec of all; one that this version cannot read is passed over, with a line in the log.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        records = await self._table.all()
        self._created = {record.id: record.created for record in records}
        return list(_readable(records))

    def keep(self, stream_id: str, name: str, spec: StreamSpec) -> None:
        """From now on the stream comes back as `spec` says."""
        created = self._created.setdefault(stream_id, datetime.now(UTC))
        self._then(self._table.save(StreamRecord(stream_id, name, asdict(spec), created)))

    def forget(self, stream_id: str) -> None:
        """It does not come back."""
        self._created.pop(stream_id, None)
        self._then(self._table.delete(stream_id))

    async def close(self) -> None:
        """Waits until everything is written."""
        if self._last is not None:
            await asyncio.wait([self._last])

    def _then(self, work: Coroutine[Any, Any, Any]) -> None:
        self._last = asyncio.create_task(_after(self._last, work), name="keep-stream")


async def _after(before: asyncio.Task[None] | None, work: Coroutine[Any, Any, Any]) -> None:
    if before is not None:
        await asyncio.wait([before])
    try:
        await work
    except StoreUnavailable as error:
        _log.error("stream not written down", error=str(error))


def _readable(records: list[StreamRecord]) -> Iterator[tuple[str, str, StreamSpec]]:
    for record in records:
        try:
            yield record.id, record.name, StreamSpec(**record.spec)
        except (BadSetting, TypeError) as error:
            _log.warning("kept stream not restored", stream=record.id, error=str(error))
