"""`/streams`: start, list, change, reset, stop, and which sources may be named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.service.conftest import Serve, Served

SIM = {"source": "sim://street?seed=1"}


def test_a_stream_lives_from_post_to_delete(server: Served) -> None:
    with server.client() as client:
        made = client.post("/streams", json={**SIM, "name": "street", "threshold": 0.4})
        stream = made.json()
        assert made.status_code == 201
        assert client.get("/streams").json()["streams"] == [stream]
        assert client.get("/streams/street").json() == stream
        assert client.delete(f"/streams/{stream['id']}").status_code == 204
        assert client.get(f"/streams/{stream['id']}").status_code == 404
    assert (stream["source"], stream["model"], stream["threshold"]) == (SIM["source"], "ems-nano", 0.4)


def test_thresholds_change_at_once_and_what_is_left_out_stays(server: Served) -> None:
    with server.client() as client:
        name = client.post("/streams", json=SIM).json()["id"]
        changed = client.patch(f"/streams/{name}", json={"threshold": 0.7}).json()
        assert client.post(f"/streams/{name}/reset").status_code == 204
        client.delete(f"/streams/{name}")
    assert (changed["threshold"], changed["iou"]) == (0.7, 0.45)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"threshold": NaN}', 422),
        ('{"iou": 2}', 422),
        ('{"source": "x"}', 422),
        ("[1]", 422),
        ("{", 422),
        ("\xff", 400),
    ],
)
def test_a_wrong_change_is_refused(server: Served, body: str, status: int) -> None:
    with server.client() as client:
        name = client.post("/streams", json=SIM).json()["id"]
        headers = {"Content-Type": "application/json"}
        answer = client.patch(f"/streams/{name}", content=body.encode("latin-1"), headers=headers)
        client.delete(f"/streams/{name}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"source": "street"}, 422),
        ({"source": "push:"}, 422),
        ({"source": "http://[::1"}, 422),
        ({**SIM, "stride": 0}, 422),
        ({**SIM, "policy": "guess"}, 422),
        ({**SIM, "model": "resnet"}, 404),
        ({"source": "recording://" + "0" * 32}, 404),
        ({"source": "recording://../../etc/passwd"}, 404),
        ({"source": "file:///etc/passwd"}, 403),
    ],
)
def test_what_cannot_be_started_is_refused_with_a_reason(
    server: Served, body: dict[str, Any], status: int
) -> None:
    with server.client() as client:
        answer = client.post("/streams", json=body)
        assert client.get("/streams").json()["streams"] == []
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_more_streams_than_allowed_are_a_429(serve: Serve) -> None:
    server = serve(max_streams=1)
    with server.client() as client:
        client.post("/streams", json=SIM)
        answer = client.post("/streams", json=SIM)
    assert answer.status_code == 429
    assert "retry-after" in answer.headers


def test_files_are_replayed_from_the_allowed_folder_alone(serve: Serve, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "a b.raw").write_bytes(b"x")
    secret = tmp_path / "secret.raw"
    secret.write_bytes(b"x")
    (allowed / "link.raw").symlink_to(secret)
    server = serve(recordings_dir=allowed)
    refused = ["../secret.raw", "link.raw", "missing.raw", "", "%2e%2e/secret.raw", "a%00b"]
    with server.client() as client:
        fine = client.post("/streams", json={"source": f"file://{allowed}/a%20b.raw?speed=2&loop=1"})
        answers = [client.post("/streams", json={"source": f"file://{allowed}/{path}"}) for path in refused]
    assert fine.status_code == 201
    assert server.runtime.started[0].spec.source == f"file://{allowed}/a%20b.raw?speed=2&loop=1"
    assert [answer.status_code for answer in answers] == [403] * len(refused)


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("PATCH", ""), ("POST", "/reset")])
def test_an_unknown_stream_is_a_404(server: Served, method: str, path: str) -> None:
    with server.client() as client:
        answer = client.request(method, f"/streams/nothing{path}", json={} if method == "PATCH" else None)
    assert answer.status_code == 404
    assert answer.json()["type"].endswith("unknown-stream")
