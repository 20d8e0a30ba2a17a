"""What the service is told to keep, over restarts."""

from __future__ import annotations

import asyncio
import math

import pytest

from service.history import History
from tests.service.store.world import Home

ZONE = {"name": "crossing", "points": [[0.5, 1], [10, 20.25]], "note": 'ü "quoted" \0', "nested": {"a": None}}


def test_documents_outlast_the_process(home: Home) -> None:
    async def first(history: History) -> None:
        await history.documents.save("zones", "b", {"old": True})
        await history.documents.save("zones", "b", ZONE)
        await history.documents.save("zones", "a", {})
        await history.documents.save("alarms", "b", {"kind": "count"})

    async def second(history: History) -> None:
        assert list((await history.documents.all("zones")).items()) == [("a", {}), ("b", ZONE)]
        assert await history.documents.delete("zones", "b")
        assert not await history.documents.delete("zones", "b")
        assert await history.documents.all("zones") == {"a": {}}
        assert await history.documents.all("alarms") == {"b": {"kind": "count"}}
        assert await history.documents.all("nothing") == {}

    home.run(first)
    home.run(second)


def test_documents_that_no_browser_could_read_are_refused(sqlite_home: Home) -> None:
    async def scenario(history: History) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            await history.documents.save("zones", "a", {"x": math.nan})
        assert await history.documents.all("zones") == {}

    sqlite_home.run(scenario)


def test_the_last_of_many_saves_is_kept(sqlite_home: Home) -> None:
    async def scenario(history: History) -> None:
        await asyncio.gather(*(history.documents.save("zones", "a", {"n": n}) for n in range(100)))
        assert await history.documents.all("zones") == {"a": {"n": 99}}

    sqlite_home.run(scenario)


def test_a_save_whose_caller_left_is_still_done(sqlite_home: Home) -> None:
    async def scenario(history: History) -> None:
        saving = asyncio.create_task(history.documents.save("zones", "a", {}))
        await asyncio.sleep(0)
        saving.cancel()
        await history.documents.save("zones", "b", {})
        assert list(await history.documents.all("zones")) == ["a", "b"]

    sqlite_home.run(scenario)
