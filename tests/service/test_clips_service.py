"""A clip through the whole service: a stream's boxes then, beside what the network says of the clip now."""

from __future__ import annotations

import json
from typing import Any

import httpx
from websockets.sync.client import connect

from tests.servers import RunningServer
from tests.service.test_recordings import recording

SIZE = {"width": 320, "height": 240}


def test_a_clip_keeps_what_was_seen_and_can_be_looked_at_again(real_server: RunningServer) -> None:
    with httpx.Client(base_url=real_server.url, timeout=60) as client:
        kept = client.post("/recordings", params=SIZE, content=recording(20_000)).json()
        source = f"recording://{kept['id']}?speed=1&loop=1"
        stream = client.post("/streams", json={"source": source, "threshold": 0.001}).json()
        path = f"/streams/{stream['id']}"
        seen: list[dict[str, Any]] = []
        with connect(real_server.url.replace("http", "ws") + f"{path}/live") as socket:
            begun = None
            while not seen or seen[-1].get("state") != "done":
                message = json.loads(socket.recv(timeout=30))
                if message["type"] in ("detections", "tracks", "sensor", "clip"):
                    seen.append(message)
                if begun is None and len([one for one in seen if one["type"] == "sensor"]) >= 2:
                    begun = client.post(f"{path}/recordings", json={"before_s": 1, "after_s": 1}).json()
        sensor = client.get(f"{path}/sensor").json()
        status = client.get(path).json()
        assert begun is not None
        clip = client.get(f"/clips/{begun['id']}").json()
        boxes = [json.loads(line) for line in client.get(f"/clips/{clip['id']}/boxes").text.splitlines()]
        now = client.post("/detect", params={"recording": clip["id"], "threshold": 0.001}).json()
        replay = client.post("/streams", json={"source": f"clip://{clip['id']}?speed=1&loop=1"}).json()
        for one in (stream, replay):
            client.delete(f"/streams/{one['id']}")
        assert client.delete(f"/clips/{clip['id']}").status_code == 204
        client.delete(f"/recordings/{kept['id']}")
    assert sensor["level"] in ("ok", "warn")
    assert status["sensor"]["level"] == sensor["level"]
    assert status["recording"] == []
    assert (clip["state"], clip["lost_events"]) == ("done", 0)
    assert clip["events"] > 20_000
    then = [line for line in boxes if line["type"] == "detections"]
    assert len(then) == clip["answers"] > 0
    assert then == [one for one in seen if one in then]
    assert now["recording"]["name"] == clip["name"]
    assert now["summary"]["events"] == clip["events"]
    assert replay["source"] == f"clip://{clip['id']}?speed=1&loop=1"
