"""The form of every message and answer of the real service."""

from __future__ import annotations

import io
import json
import struct
import time
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.sync.client import connect

from service.clips.clip import Clip
from service.link import Link
from streaming.sensor_health.report import (
    TILES,
    Clock,
    Flicker,
    HotPixel,
    HotPixelsFound,
    SensorHealth,
    Verdict,
)
from tests.contract import golden
from tests.servers import RunningServer

EVENT = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
RECORD = np.dtype([("dt", "<u4"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
LIVE = "/live?width=320&height=240&threshold=0.001"


def some(dtype: np.dtype[Any], time: str, count: int = 4000) -> Any:
    """A bar of events moving through 200 ms of 320 x 240."""
    events = np.zeros(count, dtype)
    events[time] = np.linspace(0, 200_000, count).astype(np.int64)
    events["x"] = np.arange(count) * 319 // count
    events["y"] = np.arange(count) * 7 % 240
    events["p"] = np.arange(count) % 2
    return events


def recording() -> bytes:
    file = io.BytesIO()
    np.save(file, some(EVENT, "t"))
    return file.getvalue()


def frame() -> bytes:
    events = some(RECORD, "dt")
    return struct.pack("<4sBBIq", b"EVT0", 1, 0, len(events), 0) + events.tobytes()


@pytest.fixture(scope="module")
def client(real_server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=real_server.url, timeout=60) as client:
        yield client


SIZE = {"width": 320, "height": 240, "name": "bar.npy", "threshold": 0.001}


def with_a_box(message: dict[str, Any]) -> dict[str, Any]:
    """Whatever the network finds, the form of a box is that of one box."""
    for box in message["boxes"]:
        assert box["label"] in ("person", "car", "two-wheeler")
        box["label"] = "<label>"
    return message


def test_the_form_of_a_whole_detection_is_fixed(client: httpx.Client) -> None:
    body = client.post("/detect", params=SIZE, content=recording()).json()
    body["answers"] = [with_a_box(answer) for answer in body["answers"] if answer["boxes"]]
    golden.check("detection", golden.form_of(body))


def test_the_form_of_every_line_is_fixed(client: httpx.Client) -> None:
    answer = client.post(
        "/detect", params=SIZE, content=recording(), headers={"Accept": "application/x-ndjson"}
    )
    lines = [json.loads(line) for line in answer.text.splitlines()]
    for kind in ("recording", "summary"):
        golden.check(f"line-{kind}", golden.form_of(next(line for line in lines if line["type"] == kind)))


def test_the_form_of_every_socket_message_is_fixed(client: httpx.Client, real_server: RunningServer) -> None:
    found: dict[str, dict[str, Any]] = {}
    with connect(real_server.url.replace("http", "ws") + LIVE) as socket:
        hello = json.loads(socket.recv(timeout=30))
        found["hello"] = hello
        socket.send(b"JUNK")
        socket.send(frame())
        client.post(f"/streams/{hello['stream']}/reset")
        while set(found) != {"hello", "detections", "status", "reset", "error"}:
            message = json.loads(socket.recv(timeout=30))
            if message["type"] != "detections" or message["boxes"]:
                found.setdefault(message["type"], message)
            if message["type"] == "status":
                socket.send(later(frame(), message["t_us"] or 0))
    with_a_box(found["detections"])
    found["status"]["sensor"] = None  # as it is before the first report, which comes at about the same time
    for kind, message in found.items():
        golden.check(f"message-{kind}", golden.form_of(message))


WHOLE = [[0, 0], [303, 0], [303, 239], [0, 239]]
LIVING = {"tracks", "zones", "zone", "alarm"}


def test_the_form_of_what_a_living_stream_says_is_fixed(
    client: httpx.Client, real_server: RunningServer
) -> None:
    found: dict[str, dict[str, Any]] = {}
    stream = client.post("/streams", json={"source": "sim://street?seed=1"}).raise_for_status().json()["id"]
    with connect(f"{real_server.url.replace('http', 'ws')}/streams/{stream}/live") as socket:
        zone = {"kind": "zone", "name": "all", "points": WHOLE, "classes": ["person"]}
        client.post(f"/streams/{stream}/zones", json=zone).raise_for_status()
        when = {"on": "zone", "zone": "all", "event": "enter"}
        alarm = client.post("/alarms", json={"name": "in", "when": when, "stream": stream})
        alarm_id = alarm.raise_for_status().json()["id"]
        end_s = time.monotonic() + 60
        while set(found) != LIVING and time.monotonic() < end_s:
            message = json.loads(socket.recv(timeout=30))
            if message["type"] in LIVING:
                found.setdefault(message["type"], message)
    client.delete(f"/alarms/{alarm_id}").raise_for_status()
    client.delete(f"/streams/{stream}").raise_for_status()
    assert set(found) == LIVING
    found["tracks"]["changes"] = [{**found["tracks"]["changes"][0], "label": "<label>"}]
    assert found["alarm"]["details"].pop("inside")
    for kind, message in found.items():
        golden.check(f"message-{kind}", golden.form_of(message))


def test_the_form_of_a_links_state_is_fixed() -> None:
    golden.check(
        "message-link", golden.form_of({"type": "link", **Link("lost", "gone, and why", 2).to_json()})
    )


def test_the_form_of_a_sensors_health_is_fixed() -> None:
    health = SensorHealth(
        t_us=1,
        seconds=4.5,
        events=10,
        events_per_s=2.2,
        on_share=0.5,
        silent_s=0.1,
        tiles=(1.0,) * TILES,
        hot=HotPixelsFound(1, 0.1, (HotPixel(1, 2, 30.0),)),
        flicker=(Flicker(100.0, 0.3, (0, 1)),),
        clock=Clock(),
        verdicts=(Verdict("flicker", "warn", "100 Hz flicker in 30% of events"),),
    )
    golden.check("message-sensor", golden.form_of({"type": "sensor", **health.to_json()}))


def test_the_form_of_a_clip_is_fixed() -> None:
    clip = Clip(
        id="0" * 32,
        stream="0" * 12,
        stream_name="front",
        created="2026-01-02T03:04:05.678+00:00",
        why="alarm",
        reasons=({"type": "alarm"},),
        model="ems-nano",
        classes=("person",),
        format="evt3",
        width=640,
        height=480,
        before_s=5.0,
        after_s=10.0,
    )
    golden.check("clip", golden.form_of(clip.describe()))


def later(events: bytes, t_us: int) -> bytes:
    """The same frame after `t_us`."""
    return events[:10] + struct.pack("<q", t_us + 1000) + events[18:]


def test_the_form_of_jobs_streams_and_recordings_is_fixed(client: httpx.Client) -> None:
    job = client.post("/detect", params=SIZE, content=recording(), headers={"Prefer": "respond-async"}).json()
    golden.check("job", golden.form_of(job))
    kept = client.post("/recordings", params={"width": 320, "height": 240}, content=recording()).json()
    golden.check("recording", golden.form_of(kept))
    stream = client.post("/streams", json={"source": "sim://street?seed=1"}).json()
    golden.check("stream", golden.form_of({**stream, "t_us": None, "last": None}))
    client.delete(f"/streams/{stream['id']}")
    client.delete(f"/recordings/{kept['id']}")


def test_the_form_of_health_is_fixed(client: httpx.Client) -> None:
    golden.check("health-live", golden.form_of(client.get("/health/live").json()))
    health = client.get("/health/ready").json()
    golden.check("health-ready", golden.form_of({**health, "queues": []}))
