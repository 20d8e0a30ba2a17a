"""What the service is told to keep, over restarts."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest

from service.history import History
from service.settings import Settings

ZONE = {"name": "crossing", "points": [[0.5, 1], [10, 20.25]], "note": 'ü "quoted"', "nested": {"a": None}}


def test_documents_outlast_the_process(tmp_path: Path) -> None:
    async def first() -> None:
        async with await History.open(Settings(), tmp_path) as history:
            await history.documents.save("zones", "b", {"old": True})
            await history.documents.save("zones", "b", ZONE)
            await history.documents.save("zones", "a", {})
            await history.documents.save("alarms", "b", {"kind": "count"})

    async def second() -> None:
        async with await History.open(Settings(), tmp_path) as history:
            assert list((await history.documents.all("zones")).items()) == [("a", {}), ("b", ZONE)]
            assert await history.documents.delete("zones", "b")
            assert not await history.documents.delete("zones", "b")
            assert await history.documents.all("zones") == {"a": {}}
            assert await history.documents.all("alarms") == {"b": {"kind": "count"}}
            assert await history.documents.all("nothing") == {}

    asyncio.run(first())
    asyncio.run(second())


def test_documents_that_no_browser_could_read_are_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with await History.open(Settings(), tmp_path) as history:
            with pytest.raises(ValueError, match="not JSON compliant"):
                await history.documents.save("zones", "a", {"x": math.nan})
            assert await history.documents.all("zones") == {}

    asyncio.run(scenario())


def test_the_last_of_many_saves_is_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with await History.open(Settings(), tmp_path) as history:
            await asyncio.gather(*(history.documents.save("zones", "a", {"n": n}) for n in range(100)))
            assert await history.documents.all("zones") == {"a": {"n": 99}}

    asyncio.run(scenario())


def test_a_save_whose_caller_left_is_still_done(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with await History.open(Settings(), tmp_path) as history:
            saving = asyncio.create_task(history.documents.save("zones", "a", {}))
            await asyncio.sleep(0)
            saving.cancel()
            await history.documents.save("zones", "b", {})
            assert list(await history.documents.all("zones")) == ["a", "b"]

    asyncio.run(scenario())
