"""Kept recordings, read by real children: what is told of them, pictures, replay, bounds, restarts."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.service.conftest import Serve, Served
from tests.service.test_detect import eventually

FIRST_US, LAST_US = 1_000_000, 1_199_900


def recording(count: int = 2000) -> bytes:
    """NPY of a bar that moves to the right through 320 x 240 for 200 ms."""
    events = np.zeros(count, [("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
    events["t"] = np.linspace(FIRST_US, LAST_US, count).astype(np.int64)
    events["x"] = np.arange(count) * 319 // max(count - 1, 1)
    events["y"] = np.arange(count) % 240
    file = io.BytesIO()
    np.save(file, events)
    return file.getvalue()


def keep(client: httpx.Client, name: str = "bar.npy") -> dict[str, Any]:
    answer = client.post(
        "/recordings", content=recording(), params={"name": name, "width": 320, "height": 240}
    )
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/recordings/{answer.json()['id']}"
    kept: dict[str, Any] = answer.json()
    return kept


def kept_files(server: Served) -> list[Path]:
    return list((server.data_dir / "recordings").iterdir())


def webp_size(picture: bytes) -> tuple[int, int]:
    """Width and height in the header of a lossy WebP."""
    assert (picture[:4], picture[8:16]) == (b"RIFF", b"WEBPVP8 ")
    width, height = struct.unpack("<HH", picture[26:30])
    return width & 0x3FFF, height & 0x3FFF


def test_a_kept_recording_is_described_listed_and_forgotten(server: Served) -> None:
    with server.client() as client:
        kept = keep(client)
        assert client.get(f"/recordings/{kept['id']}").json() == kept
        assert client.get("/recordings").json()["recordings"] == [kept]
        assert client.delete(f"/recordings/{kept['id']}").status_code == 204
        assert client.get(f"/recordings/{kept['id']}").status_code == 404
    said = {name: kept[name] for name in ("name", "format", "width", "height", "events")}
    assert said == {"name": "bar.npy", "format": "npy", "width": 320, "height": 240, "events": 2000}
    assert (kept["first_t_us"], kept["last_t_us"]) == (FIRST_US, LAST_US)
    assert kept["duration_us"] == LAST_US - FIRST_US
    assert kept_files(server) == []


def test_every_time_has_its_picture(server: Served) -> None:
    with server.client() as client:
        kept = keep(client)
        path = f"/recordings/{kept['id']}/picture"
        spans = [
            client.get(path, params={"t_us": t_us}).headers["x-picture-t-us"]
            for t_us in (0, FIRST_US + 40_000, FIRST_US + 40_001, LAST_US + 1, 1 << 60)
        ]
        small = client.get(path, params={"width": 100})
        large = client.get(path)
        client.delete(f"/recordings/{kept['id']}")
    assert spans == [
        "1000000,1040000",
        "1000000,1040000",
        "1040000,1080000",
        "1160000,1200000",
        "1160000,1200000",
    ]
    assert (webp_size(small.content), webp_size(large.content)) == ((160, 120), (320, 240))
    assert "immutable" in large.headers["cache-control"]
    eventually(lambda: kept_files(server) == [])


def test_a_broken_recording_is_refused_with_its_reason_and_not_kept(server: Served) -> None:
    with server.client() as client:
        answer = client.post("/recordings", content=b"nothing that we read")
        truncated = client.post("/recordings?width=320&height=240", content=recording()[:1000])
        assert client.get("/recordings").json()["recordings"] == []
    assert answer.status_code == 415
    assert truncated.status_code == 422
    assert kept_files(server) == []
    assert server.uploads() == []


def test_the_size_said_once_serves_detection_and_replay(server: Served) -> None:
    with server.client() as client:
        kept = keep(client)
        found = client.post(f"/detect?recording={kept['id']}").json()["recording"]
        source = f"recording://{kept['id']}?speed=2&loop=1"
        stream = client.post("/streams", json={"source": source}).json()
        spec = server.runtime.started[-1].spec
        client.delete(f"/streams/{stream['id']}")
        client.delete(f"/recordings/{kept['id']}")
    assert (found["name"], found["size_bytes"]) == ("bar.npy", len(recording()))
    assert stream["source"] == source
    assert spec.source.startswith(f"file://{server.data_dir}/recordings/{kept['id']}")
    assert spec.source.endswith("?speed=2&loop=1")
    assert (spec.width, spec.height) == (320, 240)


def test_the_one_unused_longest_makes_room(serve: Serve) -> None:
    server = serve(max_recordings=2)
    with server.client() as client:
        first, second = keep(client, "first"), keep(client, "second")
        client.get(f"/recordings/{first['id']}")
        keep(client, "third")
        names = {kept["name"] for kept in client.get("/recordings").json()["recordings"]}
        assert client.get(f"/recordings/{second['id']}").status_code == 404
    assert names == {"first", "third"}


def test_recordings_survive_a_restart_and_rubbish_does_not(serve: Serve) -> None:
    server = serve()
    with server.client() as client:
        kept = keep(client)
    folder = server.data_dir / "recordings"
    (folder / "0.json").write_text("{")
    (folder / "0.320.strip").write_bytes(b"x")
    again = serve()
    with again.client() as client:
        assert client.get("/recordings").json()["recordings"] == [kept]
    assert len(kept_files(again)) == 2


@pytest.mark.parametrize("query", ["t_us=-1", "t_us=x", "width=1", "width=99999"])
def test_pictures_of_no_time_or_size_are_refused(server: Served, query: str) -> None:
    with server.client() as client:
        kept = keep(client)
        assert client.get(f"/recordings/{kept['id']}/picture?{query}").status_code == 422
        client.delete(f"/recordings/{kept['id']}")
