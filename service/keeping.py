"""`Keeper`: the streams that come back after a restart of the service."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from model.errors import BadSetting
from service.documents import Documents
from service.errors import StoreUnavailable
from service.options import StreamSpec

KIND = "stream"

_log = structlog.get_logger("service.keeping")


@dataclass(frozen=True, slots=True)
class KeptStream:
    """A stream as it was asked for last."""

    id: str
    name: str
    spec: StreamSpec


class Keeper:
    """Writes kept streams down in the order of their changes, and reads them at the start.

    Args:
        documents: where they are kept.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._last: asyncio.Task[None] | None = None

    async def streams(self) -> list[KeptStream]:
        """All that were kept; one that this version cannot read is passed over, with a line in the log.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        return list(_readable(await self._documents.all(KIND)))

    def keep(self, stream_id: str, name: str, spec: StreamSpec) -> None:
        """From now on the stream comes back as `spec` says."""
        self._then(self._documents.save(KIND, stream_id, {"name": name, "spec": asdict(spec)}))

    def forget(self, stream_id: str) -> None:
        """It does not come back."""
        self._then(self._documents.delete(KIND, stream_id))

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


def _readable(bodies: dict[str, dict[str, Any]]) -> Iterator[KeptStream]:
    for stream_id, body in bodies.items():
        try:
            yield KeptStream(stream_id, str(body["name"]), StreamSpec(**body["spec"]))
        except (BadSetting, KeyError, TypeError) as error:
            _log.warning("kept stream not restored", stream=stream_id, error=str(error))
