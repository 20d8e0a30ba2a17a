"""Alarms with all that they need and nothing else: a stream, zones, documents, a clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from service.alarms.alarms import Alarms
from service.alarms.schemas import AlarmAsked
from service.routes.alarms import router
from service.settings import Settings
from service.telemetry import Metrics
from service.zones.schemas import SPEC
from service.zones.zones import Zones
from tests.service.observed import MemoryDocuments, ObservedStream
from tests.service.small_app import Streams, small_app

PATIENCE_S = 20
DOOR = {"kind": "zone", "name": "door", "points": [[40, 40], [140, 40], [140, 140], [40, 140]], "hold_ms": 0}
GATE = {"kind": "line", "name": "gate", "points": [[0, 100], [200, 100]], "hold_ms": 0}
SEEN = {"on": "class"}
QUICK = {"alarm_wait_s": 0.02, "alarm_longest_wait_s": 0.05, "alarm_attempts": 4, "alarm_timeout_s": 5.0}
SECRET = "a secret of 26 characters."


class House:
    """What a test needs.

    Attributes:
        now_s: what its clock shows; a test moves it on.
    """

    def __init__(self, documents: MemoryDocuments, **settings: Any) -> None:
        self.documents, self.metrics, self.now_s = documents, Metrics(), 1000.0
        self.zones = Zones(documents, self.metrics)
        self.alarms = Alarms(
            documents, self.metrics, self.zones, Settings(**{**QUICK, **settings}), lambda: self.now_s
        )
        self.stream = ObservedStream()
        self.client: httpx.AsyncClient

    def join(self, stream: ObservedStream) -> ObservedStream:
        stream.observers += [self.zones.observe(stream), self.alarms.observe(stream)]
        stream.size()
        return stream

    async def alarm(self, when: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
        """Sets one up."""
        asked = {"name": "alarm", "when": when or SEEN, "cooldown_s": 0, **body}
        return self.alarms.describe_one(await self.alarms.add(AlarmAsked.model_validate(asked)))

    async def get(self, path: str) -> Any:
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def see(self, label: str = "person", score: float = 0.9) -> None:
        self.stream.answer([(label, score, (10, 10, 30, 60))])

    def see_again(self) -> None:
        """Once more, after a pause."""
        for _ in range(6):
            self.stream.answer()
        self.see()

    def raised(self) -> list[str]:
        """In words, the oldest first."""
        return [message["what"] for message in self.stream.told_of("alarm")]


@asynccontextmanager
async def house(documents: MemoryDocuments | None = None, **settings: Any) -> AsyncIterator[House]:
    built = House(MemoryDocuments() if documents is None else documents, **settings)
    await built.zones.open()
    await built.alarms.open()
    built.join(built.stream)
    if not built.zones.all(built.stream.id):
        for zone in (DOOR, GATE):
            await built.zones.add(built.stream, SPEC.validate_python(zone))
    try:
        yield built
    finally:
        await built.alarms.close()
        await built.zones.close()


@asynccontextmanager
async def served(documents: MemoryDocuments | None = None, **settings: Any) -> AsyncIterator[House]:
    """The same with its routes on a real port."""
    async with (
        house(documents, **settings) as built,
        small_app(router, alarms=built.alarms, runtime=Streams(built.stream)) as client,
    ):
        built.client = client
        yield built


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what a background task brings about."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what it looks at is no event of ours
            await asyncio.sleep(0.005)
