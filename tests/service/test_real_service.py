"""The HTTP surface with everything real behind it: what ends, ends whole."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator

import httpx
import numpy as np
import psutil
import pytest
from websockets.sync.client import connect

from tests.servers import RunningServer
from tests.service.test_detect import NDJSON, eventually

EVENT = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
RECORD = np.dtype([("dt", "<u4"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])


def recording(seconds: int) -> bytes:
    """NPY of a bar that crosses 320 x 240 once a second, 10 000 events a second."""
    events = np.zeros(seconds * 10_000, EVENT)
    events["t"] = np.arange(len(events)) * 100
    events["x"] = np.arange(len(events)) % 10_000 * 320 // 10_000
    events["y"] = np.arange(len(events)) * 7 % 240
    file = io.BytesIO()
    np.save(file, events)
    return file.getvalue()


@pytest.fixture
def client(real_server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=real_server.url, timeout=60) as client:
        yield client


SIZE = {"width": 320, "height": 240}


def processes(server: RunningServer) -> set[int]:
    return {child.pid for child in psutil.Process(server.pid).children(recursive=True)}


def uploads(server: RunningServer) -> int:
    return len(list((server.data_dir / "uploads").iterdir()))


def idle(client: httpx.Client) -> bool:
    health = client.get("/health/ready").json()
    return bool(health["ready"]) and health["streams"] == health["uploads_running"] == 0


def test_every_answer_of_a_recording_comes_once_and_in_order(client: httpx.Client) -> None:
    body = client.post("/detect", params=SIZE, content=recording(1)).json()
    assert [answer["seq"] for answer in body["answers"]] == list(range(len(body["answers"])))
    assert sum(answer["events"] for answer in body["answers"]) == 10_000
    assert body["summary"]["events"] == 10_000
    assert body["answers"][-1]["t_us"][1] >= 999_900


def test_a_client_gone_in_mid_answer_leaves_no_process_and_no_file(
    client: httpx.Client, real_server: RunningServer
) -> None:
    client.post("/detect", params=SIZE, content=recording(1))
    eventually(lambda: idle(client))
    before = processes(real_server)
    with client.stream("POST", "/detect", params=SIZE, content=recording(120), headers=NDJSON) as answer:
        lines = answer.iter_lines()
        next(lines)
        assert processes(real_server) - before
    eventually(lambda: idle(client) and uploads(real_server) == 0)
    eventually(lambda: processes(real_server) <= before)


def test_a_cancelled_job_leaves_no_process(client: httpx.Client, real_server: RunningServer) -> None:
    eventually(lambda: idle(client))
    before = processes(real_server)
    headers = {"Prefer": "respond-async"}
    job = client.post("/detect", params=SIZE, content=recording(40), headers=headers).json()
    eventually(lambda: 0 < client.get(f"/jobs/{job['id']}").json()["progress"] < 1)
    client.delete(f"/jobs/{job['id']}")
    assert client.get(f"/jobs/{job['id']}").json()["state"] == "cancelled"
    eventually(lambda: idle(client) and processes(real_server) <= before)


def test_a_kept_recording_is_replayed_and_watched(client: httpx.Client, real_server: RunningServer) -> None:
    kept = client.post("/recordings", params=SIZE, content=recording(1)).json()
    source = f"recording://{kept['id']}?speed=1&loop=1"
    stream = client.post("/streams", json={"source": source}).json()
    assert stream["source"] == source
    with connect(f"{real_server.url.replace('http', 'ws')}/streams/{stream['id']}/live?view=160") as socket:
        kinds = set()
        while kinds != {"hello", "status", "detections", "picture"}:
            message = socket.recv(timeout=30)
            kinds.add("picture" if isinstance(message, bytes) else json.loads(message)["type"])
            kinds.discard("reset")
    assert client.delete(f"/streams/{stream['id']}").status_code == 204
    assert client.delete(f"/recordings/{kept['id']}").status_code == 204
    eventually(lambda: idle(client))


def test_a_live_socket_leaves_no_stream_and_no_process(
    client: httpx.Client, real_server: RunningServer
) -> None:
    eventually(lambda: idle(client))
    before = processes(real_server)
    with connect(f"{real_server.url.replace('http', 'ws')}/live?width=320&height=240") as socket:
        hello = json.loads(socket.recv(timeout=30))
        assert (hello["type"], hello["resolution"]) == ("hello", [320, 240])
        socket.send(frame())
        while json.loads(socket.recv(timeout=30))["type"] != "detections":
            pass
        assert processes(real_server) - before
    eventually(lambda: idle(client) and processes(real_server) <= before)


def test_events_outside_the_sensor_are_told_on_the_socket(real_server: RunningServer) -> None:
    with connect(f"{real_server.url.replace('http', 'ws')}/live?width=100&height=100") as socket:
        socket.send(frame())
        while (message := json.loads(socket.recv(timeout=30)))["type"] != "error":
            pass
    assert (message["code"], message["fatal"]) == ("bad-frame", False)
    assert "100" in message["message"]


def frame() -> bytes:
    events = np.zeros(4000, RECORD)
    events["dt"] = np.arange(4000) * 50
    events["x"], events["y"] = np.arange(4000) * 319 // 4000, np.arange(4000) * 7 % 240
    return struct.pack("<4sBBIq", b"EVT0", 1, 0, len(events), 0) + events.tobytes()
