"""Who may talk to the service: tokens, and browsers of other pages."""

from __future__ import annotations

import json

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.service.conftest import Serve, Served

BEARER = {"Authorization": "Bearer s3cret"}
LIVE = "/live?width=320&height=240"


@pytest.mark.parametrize(
    "path", ["/", "/models", "/docs", "/openapi.json", "/metrics", "/web/style.css", "/nothing"]
)
def test_with_a_token_set_everything_but_health_needs_it(serve: Serve, path: str) -> None:
    server = serve(token="s3cret")
    with server.client() as client:
        refused = client.get(path)
        wrong = client.get(path, headers={"Authorization": "Bearer s3cres"})
        allowed = client.get(path, headers=BEARER)
        assert client.get("/health/ready").status_code == 200
    assert refused.status_code == wrong.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert refused.json()["type"].endswith("unauthorized")
    assert allowed.status_code in (200, 404)


def test_a_body_without_token_is_not_read(serve: Serve) -> None:
    server = serve(token="s3cret")
    with server.client() as client:
        assert client.post("/detect", content=b"answers=1").status_code == 401
        assert client.post("/detect", content=b"answers=1", headers=BEARER).status_code == 200


def test_a_browser_opens_the_page_with_the_token_once(serve: Serve) -> None:
    server = serve(token="s3cret")
    with server.client() as client:
        wrong = client.get("/?access_token=guess")
        opened = client.get("/?access_token=s3cret")
        assert client.get("/models").status_code == 200
        cookie = client.cookies["spikesight_token"]
        with connect(server.ws + LIVE, additional_headers={"Cookie": f"spikesight_token={cookie}"}) as socket:
            assert json.loads(socket.recv(timeout=20))["type"] == "hello"
    assert wrong.status_code == 401
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    assert "HttpOnly" in opened.headers["set-cookie"]
    assert "SameSite=strict" in opened.headers["set-cookie"]


@pytest.mark.parametrize(
    ("query", "allowed"), [("", False), ("&access_token=no", False), ("&access_token=s3cret", True)]
)
def test_sockets_need_the_token_too(serve: Serve, query: str, allowed: bool) -> None:
    server = serve(token="s3cret")
    with connect(server.ws + LIVE + query) as socket:
        first = json.loads(socket.recv(timeout=20))
        assert first["type"] == ("hello" if allowed else "error")
        if not allowed:
            with pytest.raises(ConnectionClosed) as end:
                socket.recv(timeout=20)
            assert end.value.rcvd is not None
            assert end.value.rcvd.code == 1008


def test_a_page_of_another_site_can_neither_post_nor_watch(server: Served) -> None:
    evil = {"Origin": "https://evil.example"}
    with server.client(headers=evil) as client:
        assert client.post("/detect", content=b"answers=1").status_code == 403
        assert client.delete("/streams/x").status_code == 403
    with connect(server.ws + LIVE, origin="https://evil.example") as socket:
        assert json.loads(socket.recv(timeout=20))["code"] == "forbidden"
    assert not server.runtime.streams


def test_our_own_page_can(server: Served) -> None:
    with server.client(headers={"Origin": server.url}) as client:
        assert client.post("/detect", content=b"answers=1").status_code == 200
    with connect(server.ws + LIVE, origin=server.url) as socket:
        assert json.loads(socket.recv(timeout=20))["type"] == "hello"


def test_a_name_that_only_resolves_to_loopback_is_refused(server: Served) -> None:
    rebound = {"Host": "evil.example:80", "Origin": "http://evil.example:80"}
    with server.client(headers=rebound) as client:
        answer = client.get("/models")
    assert answer.status_code == 403
    assert "localhost" in answer.json()["detail"]


def test_listed_origins_can_and_browsers_are_told_so(serve: Serve) -> None:
    origin = "https://lab.example"
    server = serve(cors_origins=[origin])
    with server.client(headers={"Origin": origin}) as client:
        asked = client.options("/streams", headers={"Access-Control-Request-Method": "POST"})
        answer = client.post("/detect", content=b"answers=1")
    assert asked.status_code == answer.status_code == 200
    assert asked.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-origin"] == origin
