"""`/alarms` on a real port: set up, changed, refused, raised, acknowledged, kept; secrets never shown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from service.routes import zones as zone_routes
from tests.service.alarms.house import SECRET, SEEN, House, served
from tests.service.observed import MemoryDocuments

HOOK = {"kind": "webhook", "url": "https://receiver.example/hook", "secret": SECRET}
BROKER = {
    "kind": "mqtt",
    "url": "mqtts://broker.example",
    "topic": "alarms",
    "username": "me",
    "password": "hush",
}
ALARM = {"name": "somebody", "when": SEEN}


def serve(test: Callable[[House], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        async with served(**settings) as at:
            await test(at)

    asyncio.run(run())


def test_an_alarm_is_set_up_read_changed_and_deleted() -> None:
    async def test(at: House) -> None:
        made = await at.client.post(
            "/alarms", json={**ALARM, "stream": "front", "record": {"before_s": 5, "after_s": 5}}
        )
        assert made.status_code == 201
        alarm = made.json()
        assert made.headers["Location"] == f"/alarms/{alarm['id']}"
        assert alarm["when"] == {"on": "class", "score": 0, "for_ms": 0, "gap_ms": 200}
        assert (alarm["cooldown_s"], alarm["problem"], alarm["deliver"]) == (10, None, [])
        assert await at.get(f"/alarms/{alarm['id']}") == alarm
        assert (await at.get("/alarms"))["alarms"] == [alarm]
        at_it = f"/alarms/{alarm['id']}"
        changed = await at.client.patch(
            at_it, json={"stream": None, "record": None, "name": "anybody", "classes": ["car"]}
        )
        assert changed.json() == {
            **alarm,
            "stream": None,
            "record": None,
            "name": "anybody",
            "classes": ["car"],
        }
        at.see("person")
        assert at.raised() == []
        at.see("car")
        assert len(at.raised()) == 1  # at once
        assert (await at.client.delete(at_it)).status_code == 204
        at.see_again()
        assert len(at.raised()) == 1
        gone = await at.client.get(at_it)
        assert (gone.status_code, gone.json()["type"]) == (404, "urn:spikesight:problem:unknown-alarm")

    serve(test)


def test_secrets_are_kept_and_never_shown() -> None:
    async def test(at: House) -> None:
        made = await at.client.post("/alarms", json={**ALARM, "deliver": [HOOK, BROKER]})
        at_it = f"/alarms/{made.json()['id']}"
        hook, broker = made.json()["deliver"]
        assert (hook["secret"], broker["password"], broker["username"]) == ("set", "set", "me")
        for answer in (made, await at.client.get(at_it), await at.client.get("/alarms")):
            assert SECRET not in answer.text
            assert "hush" not in answer.text
        kept = [
            {"kind": "webhook", "id": hook["id"], "url": f"{HOOK['url']}/2", "secret": "set"},
            {**BROKER, "id": broker["id"], "password": None},
        ]
        assert (await at.client.patch(at_it, json={"deliver": kept})).status_code == 200
        text = str(at.documents.texts)
        assert SECRET in text
        assert "hush" in text
        assert "hook/2" in text
        # A secret does not follow to another host.
        for moved in (
            {**kept[0], "url": "https://other.example/hook"},
            {**kept[1], "url": "mqtt://other.example"},
            {**kept[1], "username": "you"},
        ):
            refused = await at.client.patch(at_it, json={"deliver": [moved]})
            assert refused.status_code == 422
            assert "anew" in refused.json()["detail"]
        removed = await at.client.patch(at_it, json={"deliver": []})
        assert removed.json()["deliver"] == []
        assert "hush" not in str(at.documents.texts)

    serve(test)


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    (
        {**ALARM, "when": {"on": "moon"}},
        ["'zone'", "'inside'", "'line'", "'class'", "'count'", "'health'", "'link'"],
    ),
    ({"name": "x"}, ["when"]),
    ({**ALARM, "name": ""}, ["name"]),
    ({**ALARM, "colour": 1}, ["colour"]),
    ({**ALARM, "cooldown_s": -1}, ["from 0 to 86400"]),
    ({**ALARM, "when": {"on": "class", "score": 2}}, ["from 0 to 1"]),
    ({**ALARM, "when": {"on": "count", "of": "sheep", "at_least": 1}}, ["'boxes' or 'tracks'"]),
    ({**ALARM, "when": {"on": "count", "of": "boxes", "at_least": 0}}, ["from 1 to 100000"]),
    ({**ALARM, "when": {"on": "health", "measure": "mood", "above": 1}}, ["'rate'", "'flicker'"]),
    ({**ALARM, "when": {"on": "health", "measure": "rate"}}, ["needs below, above or both"]),
    ({**ALARM, "when": {"on": "health", "measure": "rate", "below": 9, "above": 1}}, ["must not be larger"]),
    ({**ALARM, "when": {"on": "link"}, "classes": ["person"]}, ["classes mean nothing for link"]),
    ({**ALARM, "when": {"on": "zone", "zone": "door", "event": "dance"}}, ["'enter'", "'leave'", "'dwell'"]),
    ({**ALARM, "stream": "back"}, ["'back'", "'front'"]),
    ({**ALARM, "stream": "front", "classes": ["cat"]}, ["cat", "person, car, two-wheeler"]),
    (
        {**ALARM, "stream": "front", "when": {"on": "zone", "zone": "gate", "event": "enter"}},
        ["'gate'", "'door'"],
    ),
    ({**ALARM, "stream": "front", "when": {"on": "line", "line": "door"}}, ["'door'", "'gate'"]),
    (
        {**ALARM, "stream": "front", "when": {"on": "zone", "zone": "door", "event": "dwell"}},
        ["PATCH it with dwell_s"],
    ),
    ({**ALARM, "record": {"before_s": 5, "after_s": 601}}, ["from 0 to 600"]),
    ({**ALARM, "deliver": [{"kind": "pigeon"}]}, ["'webhook'", "'mqtt'"]),
    ({**ALARM, "deliver": [{**HOOK, "secret": "short"}]}, ["16 to 200", "5 characters"]),
    ({**ALARM, "deliver": [{**HOOK, "secret": "whsec_ÄÄÄÄÄÄÄÄÄÄÄÄ"}]}, ["base64"]),
    ({**ALARM, "deliver": [{"kind": "webhook", "url": "https://a.example"}]}, ["secret", "missing"]),
    ({**ALARM, "deliver": [{**HOOK, "url": "ftp://a.example"}]}, ["https://host or http://host"]),
    ({**ALARM, "deliver": [{**HOOK, "url": "https://a.example:99999"}]}, ["port from 1 to 65535"]),
    ({**ALARM, "deliver": [{**HOOK, "url": "https:///hook"}]}, ["https://host"]),
    ({**ALARM, "deliver": [{**HOOK, "url": "https://me:hush@a.example"}]}, ["user or password in a URL"]),
    ({**ALARM, "deliver": [{**BROKER, "url": "https://a.example"}]}, ["mqtts://host or mqtt://host"]),
    ({**ALARM, "deliver": [{**BROKER, "url": "mqtt://a.example/topic"}]}, ["topic in its own field"]),
    ({**ALARM, "deliver": [{**BROKER, "topic": "a/#"}]}, ["'#'", "no pattern"]),
    ({**ALARM, "deliver": [{**BROKER, "qos": 3}]}, ["0, 1 or 2"]),
    ({**ALARM, "deliver": [{**BROKER, "username": None}]}, ["password without username"]),
    ({**ALARM, "deliver": [{**HOOK, "id": "0" * 32}]}, ["leave id out"]),
    ({**ALARM, "deliver": [HOOK] * 9}, ["8", "***"]),
    ({**ALARM, "deliver": [{**HOOK, "secret": ["hush"]}]}, ["***"]),
]


def test_what_could_never_be_raised_or_delivered_is_refused_with_what_could() -> None:
    async def test(at: House) -> None:
        for body, words in REFUSED:
            answer = await at.client.post("/alarms", json=body)
            assert answer.status_code == 422, body
            missing = [word for word in words if word not in answer.json()["detail"]]
            assert not missing, answer.json()["detail"]
            assert "hush" not in answer.text
            assert SECRET not in answer.text
        assert (await at.get("/alarms"))["alarms"] == []

    serve(test)


def test_names_and_the_number_of_alarms_are_checked() -> None:
    async def test(at: House) -> None:
        first = await at.alarm(name="first", when={"on": "health", "measure": "rate", "below": 1})
        again = await at.client.post("/alarms", json={**ALARM, "name": "first"})
        assert "named 'first' already" in again.json()["detail"]
        await at.alarm(name="second")
        assert "most allowed" in (await at.client.post("/alarms", json=ALARM)).json()["detail"]
        at_it = f"/alarms/{first['id']}"
        assert (await at.client.patch(at_it, json={"name": "second"})).status_code == 422
        assert "classes mean" in (await at.client.patch(at_it, json={"classes": ["car"]})).json()["detail"]
        missing = await at.client.patch("/alarms/7", json={})
        assert missing.status_code == 404
        assert "first" in missing.json()["detail"]

    serve(test, max_alarms=2)


def test_an_alarm_that_cannot_be_raised_any_more_says_so_and_can_still_be_changed() -> None:
    async def test(at: House) -> None:
        made = await at.alarm({"on": "zone", "zone": "door", "event": "enter"}, stream="front")
        everywhere = await at.alarm({"on": "line", "line": "fence"}, name="everywhere")
        assert "no line 'fence'" in everywhere["problem"]
        await at.zones.remove(at.stream, "door")
        assert "no zone 'door'" in (await at.get(f"/alarms/{made['id']}"))["problem"]
        at.stream.end()
        told = await at.get(f"/alarms/{made['id']}")
        assert "no stream 'front'" in told["problem"]
        changed = await at.client.patch(f"/alarms/{made['id']}", json={"cooldown_s": 7})
        assert changed.json()["cooldown_s"] == 7

    serve(test)


def test_alarms_that_were_raised_are_listed_and_acknowledged() -> None:
    async def test(at: House) -> None:
        first, second = await at.alarm(name="first"), await at.alarm(name="second", classes=["car"])
        at.see()
        at.see("car")
        at.see_again()
        found = await at.get("/alarms/raised")
        assert [one["name"] for one in found["raised"]] == ["first", "second", "first"]
        assert found["unacknowledged"] == 3
        one = found["raised"][1]
        assert (one["alarm"], one["stream"], one["stream_name"]) == (second["id"], at.stream.id, "front")
        assert one["what"] == "car seen with score 0.90"
        message = at.stream.told_of("alarm")[1]
        assert {**message} == {"type": "alarm", **one}
        for query, count in [
            ("alarm=first", 2),
            (f"alarm={second['id']}", 1),
            ("stream=front", 3),
            ("stream=x", 0),
            ("limit=1", 1),
            ("acknowledged=true", 0),
        ]:
            assert len((await at.get(f"/alarms/raised?{query}"))["raised"]) == count, query
        assert (await at.client.get("/alarms/raised?limit=0")).status_code == 422
        noted = await at.client.post(f"/alarms/raised/{one['id']}/acknowledge")
        assert noted.json()["acknowledged"] is not None
        assert at.stream.told_of("alarm")[-1] == {"type": "alarm", **noted.json()}
        assert (await at.client.post(f"/alarms/raised/{one['id']}/acknowledge")).json() == noted.json()
        assert (await at.get("/alarms/raised"))["unacknowledged"] == 2
        assert (await at.client.post("/alarms/raised/acknowledge")).json() == {"acknowledged": 2}
        assert (await at.get("/alarms/raised?acknowledged=false"))["raised"] == []
        assert (await at.client.post("/alarms/raised/7/acknowledge")).status_code == 404
        assert first["id"] != second["id"]

    serve(test)


def test_alarms_and_what_they_raised_come_back_after_a_restart() -> None:
    async def run() -> None:
        documents = MemoryDocuments()
        async with served(documents, raised_alarms=2) as at:
            before = await at.alarm(
                deliver=[HOOK, BROKER], record={"before_s": 1, "after_s": 2}, enabled=False
            )
            await at.alarm(name="raised")
            for _ in range(3):
                at.see_again()
            raised = (await at.get("/alarms/raised"))["raised"]
            assert len(raised) == 2
            await at.client.post(f"/alarms/raised/{raised[0]['id']}/acknowledge")
        async with served(documents, raised_alarms=2) as at:
            assert await at.get(f"/alarms/{before['id']}") == before
            again = await at.get("/alarms/raised")
            assert [one["id"] for one in again["raised"]] == [one["id"] for one in raised]
            assert again["unacknowledged"] == 1

    asyncio.run(run())


def test_what_cannot_be_kept_is_refused() -> None:
    async def test(at: House) -> None:
        made = await at.alarm()
        at.documents.broken = True
        assert (await at.client.post("/alarms", json={**ALARM, "name": "x"})).status_code == 503
        assert (await at.client.patch(f"/alarms/{made['id']}", json={"name": "y"})).status_code == 503
        assert (await at.client.delete(f"/alarms/{made['id']}")).status_code == 503
        assert await at.get("/alarms") == {"alarms": [made]}
        at.see()  # an alarm is raised all the same
        assert len(at.raised()) == 1
        at.documents.broken = False

    serve(test)


def test_no_path_of_one_router_hides_another() -> None:
    assert zone_routes.router.prefix == "/streams/{stream_id}/zones"
