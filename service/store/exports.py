"""`Exports`: files made of history, one at a time, in a child process so that the service stays small."""

from __future__ import annotations

import asyncio
import importlib.util
import uuid
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from service.errors import DeadlineExceeded, NotInstalled, ServiceError, from_wire
from service.readings import in_child
from service.settings import Settings
from service.store.export_child import export
from service.store.export_formats import SUFFIXES, Format
from service.store.filters import Filter
from service.turns import Turns
from service.uploads import remove_folder
from streaming.errors import LimitExceeded, StreamingError
from streaming.limits import Limits

RUNNING, WAITING = 1, 8
WALL_S = 900.0
MEMORY_BYTES = 1 << 30


def check_installed(form: Format) -> None:
    """Raises NotInstalled."""
    if form == "parquet" and importlib.util.find_spec("duckdb") is None:
        raise NotInstalled(
            "Parquet needs DuckDB, which is not installed: pip install 'spikesight[parquet]', or take csv"
        )


class Exports:
    """Writes exports to `folder`, which is emptied first.

    Args:
        folder: where files lie until they are sent.
        url: of the database.
    """

    def __init__(self, folder: Path, url: URL, settings: Settings) -> None:
        self._folder = folder
        self._url = url.render_as_string(hide_password=False)
        self._reserve_bytes = settings.disk_reserve_bytes
        self._turns = Turns(RUNNING, WAITING)

    async def prepare(self) -> None:
        """Makes the folder, and removes what a service that was killed left in it."""
        await asyncio.to_thread(_empty, self._folder)

    async def make(self, asked: Filter, form: Format) -> Path:
        """A file of what is `asked`, alone in its folder; the caller removes both.

        Raises:
            NotInstalled: the format needs a part that is not there.
            QueueFull: too many wait.
            DiskFull, DeadlineExceeded, StoreUnavailable: as they say.
        """
        check_installed(form)
        await self._turns.take()
        path = self._folder / uuid.uuid4().hex / f"detections{SUFFIXES[form]}"
        try:
            await asyncio.to_thread(path.parent.mkdir)
            await self._run(asked, path, form)
        except BaseException:
            await asyncio.to_thread(remove_folder, path.parent)
            raise
        finally:
            self._turns.give_back()
        return path

    async def _run(self, asked: Filter, path: Path, form: Format) -> None:
        limits = Limits(memory_bytes=MEMORY_BYTES, cpu_s=None, wall_s=WALL_S)
        arguments = (self._url, asked, path, form, self._reserve_bytes)
        said: list[Any] = []
        try:
            await in_child(export, arguments, limits, said.append, name="export")
        except LimitExceeded:
            raise DeadlineExceeded(
                f"the export took more than {WALL_S:g} s or {MEMORY_BYTES >> 20} MiB; export less (from, to)"
            ) from None
        except StreamingError as error:
            raise ServiceError(f"the process that wrote the export ended early: {error}") from error
        for message in said:
            if isinstance(message, dict):
                raise _failed(message)


def _failed(message: dict[str, Any]) -> Exception:
    return from_wire({"error": str(message.get("error")), "message": str(message.get("message"))})


def _empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.iterdir():
        if leftover.is_dir():
            remove_folder(leftover)
        else:
            leftover.unlink()
