"""`/streams/{id}/zones` on a real port: made, changed, refused, counted, kept through a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from service.errors import UnknownZone
from service.routes.zones import router
from service.telemetry import Metrics
from service.zones.zones import Zones
from tests.service.observed import MemoryDocuments, ObservedStream
from tests.service.small_app import Streams, small_app

DOOR = {"kind": "zone", "name": "door", "points": [[40, 40], [140, 40], [140, 140], [40, 140]], "hold_ms": 0}
GATE = {"kind": "line", "name": "gate", "points": [[0, 100], [200, 100]]}
AT = "/streams/front/zones"


class House:
    """A stream, its zones and a client of them."""

    def __init__(self, client: httpx.AsyncClient, zones: Zones, stream: ObservedStream) -> None:
        self.client, self.zones, self.stream = client, zones, stream
        self.metrics: Metrics

    async def add(self, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.client.post(AT, json=body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.client.get(AT)).json()["zones"]
        return found


@asynccontextmanager
async def house(documents: MemoryDocuments | None = None, **stream: bool) -> AsyncIterator[House]:
    metrics = Metrics()
    zones = Zones(documents or MemoryDocuments(), metrics, max_zones=4)
    await zones.open()
    front = ObservedStream(**stream)
    front.observers.append(zones.observe(front))
    front.size()
    async with small_app(router, zones=zones, runtime=Streams(front)) as client:
        built = House(client, zones, front)
        built.metrics = metrics
        yield built
    await zones.close()


def visit(test: Callable[[House], Awaitable[None]]) -> None:
    async def run() -> None:
        async with house() as built:
            await test(built)

    asyncio.run(run())


def test_a_zone_is_made_read_changed_and_removed() -> None:
    async def test(at: House) -> None:
        made = await at.client.post(AT, json=DOOR)
        assert made.status_code == 201
        door = made.json()
        assert made.headers["Location"] == f"/streams/{at.stream.id}/zones/{door['id']}"
        assert door["points"] == DOOR["points"]
        assert (door["anchor"], door["classes"], door["problem"]) == ("bottom", [], None)
        assert (await at.client.get(f"{AT}/door")).json() == door
        changed = await at.client.patch(f"{AT}/{door['id']}", json={"name": "exit", "dwell_s": 3})
        assert changed.json() == {**door, "name": "exit", "dwell_s": 3}
        changed = await at.client.patch(f"{AT}/exit", json={"dwell_s": None, "name": None})
        assert changed.json() == {**door, "name": "exit"}
        assert (await at.client.delete(f"{AT}/exit")).status_code == 204
        assert await at.all() == []

    visit(test)


def test_put_replaces_all_and_keeps_the_counts_of_those_it_names() -> None:
    async def test(at: House) -> None:
        door = await at.add(DOOR)
        await at.add(GATE)
        at.stream.track(1, (90, 90), change="new")
        answer = await at.client.put(AT, json={"zones": [{**DOOR, "id": door["id"], "name": "exit"}, DOOR]})
        first, second = answer.json()["zones"]
        assert (first["id"], first["name"], first["counts"]["inside"]) == (door["id"], "exit", {"person": 1})
        assert second["id"] != door["id"]
        assert second["counts"]["inside"] == {}
        assert [zone["name"] for zone in await at.all()] == ["exit", "door"]

    visit(test)


def test_a_change_counts_at_once_and_is_told_to_viewers() -> None:
    async def test(at: House) -> None:
        assert at.stream.told_of("zones") == [{"type": "zones", "zones": []}]  # when the sensor was known
        await at.add({**DOOR, "dwell_s": 0.1})
        assert [zone["name"] for zone in at.stream.told_of("zones")[-1]["zones"]] == ["door"]
        at.stream.track(1, (90, 90), change="new")
        (event,) = at.stream.told_of("zone")
        assert event["event"] == "enter"
        assert event["inside"] == {"person": 1}
        assert event["point"] == [90, 90]
        await at.add(GATE)
        for y in (90, 120, 80):
            at.stream.track(1, (90, y))
        assert [one["direction"] for one in at.stream.told_of("zone") if one["event"] == "cross"] == [
            "forward",
            "backward",
        ]
        assert (await at.client.delete(f"{AT}/door")).status_code == 204
        assert at.stream.told_of("zone")[-1]["reason"] == "removed"

    async def run(at: House) -> None:
        await test(at)
        text = at.metrics.exposition().decode()
        assert 'zone_events_total{event="enter",label="person",stream="front",zone="door"} 1.0' in text
        at.stream.end()
        assert "zone_events_total{" not in at.metrics.exposition().decode()

    visit(run)


def test_status_shows_the_counts() -> None:
    async def test(at: House) -> None:
        door, gate = await at.add(DOOR), await at.add(GATE)
        at.stream.track(1, (90, 90), "car", "new")
        at.stream.track(1, (90, 120), "car")
        at.stream.tick()
        assert at.stream.status() == {
            "zones": [
                {
                    "id": door["id"],
                    "inside": {"car": 1},
                    "entered": {"car": 1},
                    "left": {},
                    "dwell_s": {"total": 0.04, "mean": None},
                },
                {"id": gate["id"], "forward": {"car": 1}, "backward": {}},
            ]
        }
        inside = 'zone_inside{label="car",stream="front",zone="door"} 1.0'
        assert inside in at.metrics.exposition().decode()
        at.stream.reset()
        assert at.stream.status()["zones"][0]["inside"] == {}
        await at.client.delete(f"{AT}/gate/counts")
        assert at.stream.status()["zones"][1]["forward"] == {}

    visit(test)


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({**DOOR, "points": [[0, 0], [10, 10], [10, 0], [0, 10]]}, ["crosses or touches itself", "door"]),
    ({**DOOR, "points": [[0, 0], [321, 0], [0, 100]]}, ["(321, 0)", "from 0 to 320"]),
    ({**DOOR, "points": [[0, 0], [10, 0]]}, ["at least 3"]),
    ({**DOOR, "points": [[0, 0], [-1, 0], [5, 5]]}, ["from 0 to 65535", "-1"]),
    ({**DOOR, "points": [[0, 0], [10, 0, 3], [5, 5]]}, ["points"]),
    ({**DOOR, "classes": ["cat"]}, ["cat", "person, car, two-wheeler"]),
    ({**DOOR, "anchor": "top"}, ["'bottom' or 'centre'", "top"]),
    ({**DOOR, "dwell_s": 0}, ["from 0.1 to 86400"]),
    ({**DOOR, "hold_ms": -1}, ["from 0 to 60000"]),
    ({**DOOR, "name": ""}, ["name"]),
    ({**DOOR, "kind": "circle"}, ["'zone'", "'line'", "circle"]),
    ({**DOOR, "colour": "red"}, ["colour"]),
    ({**GATE, "dwell_s": 3}, ["dwell_s"]),
    ({**GATE, "points": [[0, 0], [0, 0]]}, ["points 1 and 2"]),
    ({"name": "x"}, ["kind"]),
]


def test_what_makes_no_sense_is_refused_with_what_would() -> None:
    async def test(at: House) -> None:
        for body, words in REFUSED:
            for answer in (
                await at.client.post(AT, json=body),
                await at.client.put(AT, json={"zones": [body]}),
            ):
                assert answer.status_code == 422, body
                missing = [word for word in words if word not in answer.json()["detail"]]
                assert not missing, answer.json()["detail"]
        assert await at.all() == []

    visit(test)


def test_names_ids_and_numbers_of_zones_are_checked() -> None:
    async def test(at: House) -> None:
        door = await at.add(DOOR)
        again = await at.client.post(AT, json=DOOR)
        assert again.status_code == 422
        assert "'door'" in again.json()["detail"]
        twice = {"zones": [{**DOOR, "id": door["id"]}, {**DOOR, "id": door["id"], "name": "b"}]}
        assert "same id" in (await at.client.put(AT, json=twice)).json()["detail"]
        foreign = await at.client.put(AT, json={"zones": [{**DOOR, "id": "0" * 32}]})
        assert foreign.status_code == 404
        many = await at.client.put(AT, json={"zones": [{**DOOR, "name": str(n)} for n in range(5)]})
        assert "may have 4" in many.json()["detail"]
        missing = await at.client.patch(f"{AT}/window", json={})
        assert missing.status_code == 404
        assert "'door'" in missing.json()["detail"]
        assert (await at.client.get("/streams/back/zones")).status_code == 404
        line = await at.add(GATE)
        assert "is a line" in (await at.client.patch(f"{AT}/gate", json={"dwell_s": 1})).json()["detail"]
        assert (
            "at least 3"
            in (await at.client.patch(f"{AT}/door", json={"points": [[0, 0], [9, 9]]})).json()["detail"]
        )
        assert at.zones.polygon(at.stream.id, "door") == ((40, 40), (140, 40), (140, 140), (40, 140))
        with pytest.raises(UnknownZone, match="is a line"):
            at.zones.polygon(at.stream.id, line["id"])

    visit(test)


def test_zones_that_no_longer_fit_say_so() -> None:
    async def test(at: House) -> None:
        await at.add({**DOOR, "classes": ["car"]})
        at.stream.size(100, 100)
        assert "100 x 100" in (await at.all())[0]["problem"]
        assert "100 x 100" in at.stream.told_of("zones")[-1]["zones"][0]["problem"]
        at.stream.classes = ("face", "hand", "foot")
        assert "car" in (await at.all())[0]["problem"]

    visit(test)


def test_a_stream_without_tracks_says_that_nothing_counts() -> None:
    async def run() -> None:
        async with house(track=False) as at:
            assert "not tracked" in (await at.add(DOOR))["problem"]

    asyncio.run(run())


def test_zones_and_counts_come_back_after_a_restart() -> None:
    async def run() -> None:
        documents = MemoryDocuments()
        async with house(documents) as at:
            before = [await at.add({**DOOR, "dwell_s": 2.5, "classes": ["person"]}), await at.add(GATE)]
            at.stream.track(1, (90, 90), change="new")
            at.stream.track(1, (90, 120))
        async with house(documents) as at:
            door, gate = await at.all()
            assert [door["id"], gate["id"]] == [zone["id"] for zone in before]
            assert door["dwell_s"] == 2.5
            assert door["since"] == before[0]["since"]
            # who was inside then is gone now
            assert (door["counts"]["entered"], door["counts"]["inside"]) == ({"person": 1}, {})
            assert gate["counts"] == {"forward": {"person": 1}, "backward": {}}
            at.stream.track(1, (90, 90), change="new")
            assert (await at.all())[0]["counts"]["entered"] == {"person": 2}
            await at.zones.forget(at.stream.id)
        assert documents.texts == {}

    asyncio.run(run())


def test_a_change_that_cannot_be_kept_does_not_take_effect() -> None:
    async def run() -> None:
        documents = MemoryDocuments()
        async with house(documents) as at:
            await at.add(DOOR)
            documents.broken = True
            assert (await at.client.post(AT, json=GATE)).status_code == 503
            assert (await at.client.delete(f"{AT}/door")).status_code == 503
            assert [zone["name"] for zone in await at.all()] == ["door"]
            documents.broken = False

    asyncio.run(run())


def test_what_is_not_understood_in_the_database_is_passed_over() -> None:
    async def run() -> None:
        documents = MemoryDocuments()
        async with house(documents) as at:
            await at.add(DOOR)
        key = ("zones", "id-of-front")
        documents.texts[key] = documents.texts[key].replace('"zones": [', '"zones": [{"kind": "sphere"}, 7, ')
        documents.texts["zone_counts", "id-of-front"] = '{"counts": {"a": {}, "b": 3}}'
        async with house(documents) as at:
            assert [zone["name"] for zone in await at.all()] == ["door"]

    asyncio.run(run())


def test_zones_of_a_stream_that_is_not_kept_go_with_it() -> None:
    async def run() -> None:
        documents = MemoryDocuments()
        async with house(documents, keep=False) as at:
            await at.add(DOOR)
            assert documents.kinds() == {"zones"}
            at.stream.end()
        assert documents.texts == {}
        async with house(documents) as at:
            await at.add(DOOR)
        async with house(documents) as at:
            await at.zones.keep_only([at.stream.id])
            assert len(await at.all()) == 1
            await at.zones.keep_only([])
        assert documents.texts == {}

    asyncio.run(run())
