"""Bodies on their way to disk: limits, forms, stalls, and nothing left behind."""

from __future__ import annotations

import http.client
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from service.multipart import plain_name
from tests.service.conftest import Serve, Served
from tests.service.test_detect import eventually

BOUNDARY = "frontier"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def address(server: Served) -> tuple[str, int]:
    host, port = server.url.removeprefix("http://").split(":")
    return host, int(port)


def part(name: str, content: str) -> str:
    head = f'Content-Disposition: form-data; name="{name}"; filename="a.csv"'
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n{content}\r\n"


def begin(server: Served, *headers: str) -> socket.socket:
    raw = socket.create_connection(address(server), timeout=20)
    lines = ["POST /detect HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]
    raw.sendall("\r\n".join(lines).encode())
    return raw


def answer_of(raw: socket.socket) -> tuple[int, bytes]:
    answer = http.client.HTTPResponse(raw)
    answer.begin()
    return answer.status, answer.read()


def test_ten_gigabytes_are_refused_before_a_byte_is_read(server: Served) -> None:
    with begin(server, f"Content-Length: {10 << 30}") as raw:
        status, body = answer_of(raw)
    assert status == 413
    assert str(10 << 30).encode() in body
    assert server.uploads() == []


def test_with_expect_a_refusal_comes_instead_of_the_100(server: Served) -> None:
    with begin(server, f"Content-Length: {10 << 30}", "Expect: 100-continue") as raw:
        first = raw.recv(4096)
    assert first.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in first.lower()


def test_with_expect_an_allowed_upload_is_asked_for_and_answered(server: Served) -> None:
    with begin(server, "Content-Length: 9", "Expect: 100-continue") as raw:
        assert raw.recv(4096).startswith(b"HTTP/1.1 100 ")
        raw.sendall(b"answers=1")
        assert answer_of(raw)[0] == 200


def test_a_client_that_sends_on_regardless_still_gets_its_refusal(serve: Serve) -> None:
    server = serve(max_upload_bytes=1000)
    with server.client() as client:
        answer = client.post("/detect", content=b"x" * (8 << 20))
    assert answer.status_code == 413
    assert "1000 bytes" in answer.json()["detail"]


def test_a_body_without_length_is_counted_as_it_comes(serve: Serve) -> None:
    server = serve(max_upload_bytes=1 << 20)

    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield b"x" * (1 << 18)

    with server.client() as client:
        answer = client.post("/detect", content=endless())
    assert answer.status_code == 413
    eventually(lambda: server.uploads() == [])


@pytest.mark.parametrize("size", [1000, 1001])
def test_the_limit_holds_for_the_file_in_a_form(serve: Serve, size: int) -> None:
    server = serve(max_upload_bytes=1000)
    with server.client() as client:
        answer = client.post("/detect", files={"file": ("a", b" " * size)})
    assert answer.status_code == (200 if size <= 1000 else 413)


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("multipart/form-data", part("file", "x"), "without a boundary"),
        (FORM, part("other", "x") + f"--{BOUNDARY}--\r\n", "no part named 'file'"),
        (FORM, part("file", "x") + part("file", "y") + f"--{BOUNDARY}--\r\n", "more than one"),
        (FORM, part("file", "x"), "closing boundary"),
        (FORM, part("file", "x")[:20], "no part named 'file'"),
        (FORM, "rubbish", "broken multipart form"),
        (FORM, "", "no part named 'file'"),
        (FORM, f"--{BOUNDARY}\r\n" + "x: y\r\n" * 1000, "broken multipart form"),
        (f"multipart/form-data; boundary={'b' * 5000}", "x", "boundary"),
    ],
)
def test_a_broken_form_is_a_422_that_says_how(server: Served, kind: str, body: str, said: str) -> None:
    with server.client() as client:
        answer = client.post("/detect", content=body.encode(), headers={"Content-Type": kind})
    assert answer.status_code == 422
    assert answer.json()["type"].endswith("bad-upload")
    assert said in answer.json()["detail"]
    eventually(lambda: server.uploads() == [])


def test_a_compressed_body_is_refused_by_name(server: Served) -> None:
    with server.client() as client:
        answer = client.post("/detect", content=b"x", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415
    assert "gzip" in answer.json()["detail"]


def test_an_upload_that_stalls_is_a_408(serve: Serve) -> None:
    server = serve(upload_idle_s=0.2)
    with begin(server, "Content-Length: 100") as raw:
        raw.sendall(b"only a part")
        status, body = answer_of(raw)
    assert status == 408
    assert b"upload_idle_s" in body
    assert server.uploads() == []


def test_a_client_gone_in_mid_upload_leaves_nothing(server: Served) -> None:
    with begin(server, "Content-Length: 100") as raw:
        raw.sendall(b"only a part")
        eventually(lambda: len(server.uploads()) == 1)
    eventually(lambda: server.uploads() == [])
    with server.client() as client:
        assert client.get("/health/live").status_code == 200


def test_the_last_free_disk_is_kept(serve: Serve, tmp_path: Path) -> None:
    server = serve(disk_reserve_bytes=shutil.disk_usage(tmp_path).total)
    with server.client() as client:
        answer = client.post("/detect", content=b"answers=1")
    assert answer.status_code == 507
    assert "retry-after" in answer.headers
    assert server.uploads() == []


def test_a_disk_that_fills_up_under_the_upload_is_a_507(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter([1 << 30, 10])
    monkeypatch.setattr("service.uploads.shutil.disk_usage", lambda _: SimpleNamespace(free=next(left)))
    with server.client() as client:
        answer = client.post("/detect", content=b"answers=1 " * 10)
    assert answer.status_code == 507
    eventually(lambda: server.uploads() == [])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b.raw", "b.raw"),
        ("", None),
        ("/", None),
        ("a\x00\n.raw", "a.raw"),
    ],
)
def test_names_lose_their_folders(given: str, kept: str | None) -> None:
    assert plain_name(given) == kept
