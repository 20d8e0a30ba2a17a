"""Both WebSockets, with a real client: what is told, and with which code they close."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.service.conftest import Serve, Served
from tests.service.test_detect import eventually

FRAME = struct.pack("<4sBBIq", b"EVT0", 1, 0, 0, 0)
SIZE = "width=320&height=240"


def told(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(timeout=20))
    return message


def closed(socket: ClientConnection) -> int | None:
    """The close code, after everything else was read."""
    try:
        while True:
            socket.recv(timeout=20)
    except ConnectionClosed as end:
        return end.rcvd.code if end.rcvd else None


def test_a_watcher_gets_hello_resets_and_a_normal_close(server: Served) -> None:
    with server.client() as client:
        name = client.post("/streams", json={"source": "sim://street"}).json()["id"]
        with connect(f"{server.ws}/streams/{name}/live") as socket:
            assert told(socket)["type"] == "hello"
            client.post(f"/streams/{name}/reset")
            assert told(socket) == {"type": "reset", "reason": "requested"}
            client.delete(f"/streams/{name}")
            assert closed(socket) == 1000


def test_pictures_come_as_binary_frames_where_asked_for(server: Served) -> None:
    with server.client() as client:
        name = client.post("/streams", json={"source": "sim://street"}).json()["id"]
        with connect(f"{server.ws}/streams/{name}/live?view=320") as socket:
            told(socket)
            assert socket.recv(timeout=20) == b"RIFF-picture"
        client.delete(f"/streams/{name}")


def test_a_watcher_that_leaves_is_forgotten_and_the_stream_goes_on(server: Served) -> None:
    with server.client() as client:
        name = client.post("/streams", json={"source": "sim://street"}).json()["id"]
        stream = server.runtime.streams[name]
        with connect(f"{server.ws}/streams/{name}/live") as socket:
            told(socket)
            socket.send("watchers have nothing to say")
            assert len(stream.viewers) == 1
        eventually(lambda: not stream.viewers)
        assert client.get(f"/streams/{name}").status_code == 200
        client.delete(f"/streams/{name}")


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("/streams/nothing/live", "unknown-stream", "nothing"),
        (f"/live?{SIZE}&model=resnet", "unknown-model", "ems-nano"),
        ("/live", "bad-setting", "width is missing"),
        ("/live?width=320", "bad-setting", "height is missing"),
        ("/live?width=0&height=240", "bad-setting", "from 1 to 65535"),
        (f"/live?{SIZE}&threshold=nan", "bad-setting", "from 0 to 1"),
        (f"/live?{SIZE}&threshold=high", "bad-setting", "must be a number"),
        (f"/live?{SIZE}&stride=1.5", "bad-setting", "whole number"),
        (f"/live?{SIZE}&stride=inf", "bad-setting", "whole number"),
        (f"/live?{SIZE}&view=wide", "bad-setting", "view"),
    ],
)
def test_a_refusal_is_an_error_message_and_a_close(server: Served, path: str, code: str, said: str) -> None:
    with connect(server.ws + path) as socket:
        error = told(socket)
        assert closed(socket) == 1008
    assert (error["type"], error["code"], error["fatal"]) == ("error", code, True)
    assert said in error["message"]
    assert not server.runtime.streams


def test_events_go_up_and_boxes_come_down(server: Served) -> None:
    with connect(f"{server.ws}/live?{SIZE}&threshold=0.3") as socket:
        hello = told(socket)
        for seq in range(3):
            socket.send(FRAME)
            assert told(socket)["seq"] == seq
        spec = server.runtime.streams[hello["stream"]].spec
    assert (spec.width, spec.height, spec.threshold, spec.source) == (320, 240, 0.3, "push:")


def test_the_stream_ends_with_the_socket(server: Served) -> None:
    with connect(f"{server.ws}/live?{SIZE}") as socket:
        told(socket)
        assert len(server.runtime.streams) == 1
    eventually(lambda: not server.runtime.streams)


def test_a_client_that_dies_without_a_close_ends_its_stream(server: Served) -> None:
    with connect(f"{server.ws}/live?{SIZE}") as socket:
        told(socket)
        socket.socket.shutdown(2)
        eventually(lambda: not server.runtime.streams)


def test_a_stopped_stream_closes_its_socket(server: Served) -> None:
    with server.client() as client, connect(f"{server.ws}/live?{SIZE}") as socket:
        client.delete(f"/streams/{told(socket)['stream']}")
        assert closed(socket) == 1000


@pytest.mark.parametrize("frame", [b"", b"EVT", b"JUNK" + FRAME[4:], "text"])
def test_a_malformed_frame_is_an_error_and_the_stream_goes_on(server: Served, frame: bytes | str) -> None:
    with connect(f"{server.ws}/live?{SIZE}") as socket:
        told(socket)
        socket.send(frame)
        error = told(socket)
        socket.send(FRAME)
        assert told(socket)["type"] == "detections"
    assert (error["type"], error["code"], error["fatal"]) == ("error", "bad-frame", False)
    assert "EVT0" in error["message"]


def test_a_frame_over_the_limit_closes_with_1009_after_a_word(serve: Serve) -> None:
    server = serve(max_frame_bytes=1000)
    with connect(f"{server.ws}/live?{SIZE}") as socket:
        told(socket)
        socket.send(FRAME + bytes(1000))
        error = told(socket)
        assert closed(socket) == 1009
    assert (error["code"], error["fatal"]) == ("frame-too-large", True)
    eventually(lambda: not server.runtime.streams)


def test_a_frame_far_over_the_limit_is_not_even_read(serve: Serve) -> None:
    server = serve(max_frame_bytes=1000)
    with connect(f"{server.ws}/live?{SIZE}") as socket:
        told(socket)
        socket.send(bytes(1 << 20))
        assert closed(socket) == 1009
    eventually(lambda: not server.runtime.streams)


def test_more_streams_than_allowed_close_with_1013(serve: Serve) -> None:
    server = serve(max_streams=1)
    with connect(f"{server.ws}/live?{SIZE}") as first, connect(f"{server.ws}/live?{SIZE}") as second:
        assert told(first)["type"] == "hello"
        assert told(second)["code"] == "too-many-streams"
        assert closed(second) == 1013


def test_an_unexpected_error_is_told_and_closes_with_1011(serve: Serve) -> None:
    server = serve()
    with connect(f"{server.ws}/live?{SIZE}") as socket:
        stream = server.runtime.streams[told(socket)["stream"]]
        stream.push = None  # type: ignore[method-assign, assignment] # broken on purpose
        socket.send(FRAME)
        error = told(socket)
        assert closed(socket) == 1011
    assert (error["code"], error["fatal"]) == ("internal", True)
    assert "NoneType" not in error["message"]
    eventually(lambda: not server.runtime.streams)


def test_the_handshake_names_the_request(server: Served) -> None:
    with connect(f"{server.ws}/live?{SIZE}", additional_headers={"X-Request-ID": "mine-7"}) as socket:
        assert socket.response is not None
        assert socket.response.headers["X-Request-ID"] == "mine-7"
