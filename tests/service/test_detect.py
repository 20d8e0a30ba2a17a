"""`POST /detect` over a real socket: what comes back, in which form, and what is left behind."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

import httpx
import pytest

from tests.service.conftest import Serve, Served

NDJSON = {"Accept": "application/x-ndjson"}


def eventually(true: Callable[[], bool]) -> None:
    """Waits until `true()`; the test's timeout ends the wait."""
    while not true():
        time.sleep(0.01)


def test_a_raw_body_is_answered_as_one_document(server: Served) -> None:
    with server.client() as client:
        answer = client.post("/detect?name=street.raw", content=b"answers=3")
    body = answer.json()
    assert answer.status_code == 200
    assert body["recording"] == {
        "name": "street.raw",
        "size_bytes": 9,
        "format": "csv",
        "width": 320,
        "height": 240,
    }
    assert [one["seq"] for one in body["answers"]] == [0, 1, 2]
    assert body["summary"]["answers"] == 3
    assert body["summary"]["t_us"] == [0, 120_000]
    assert (body["model"], body["device"]) == ("ems-nano", "cpu")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_document_is_json_for_any_number_of_answers(server: Served, count: int) -> None:
    with server.client() as client:
        body = client.post("/detect", content=f"answers={count}").json()
    assert len(body["answers"]) == body["summary"]["answers"] == count


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "application/json", "x"])
def test_any_content_type_is_a_raw_body(server: Served, kind: str) -> None:
    with server.client() as client:
        answer = client.post("/detect", content=b"answers=1", headers={"Content-Type": kind})
    assert answer.json()["recording"]["size_bytes"] == 9


def test_a_form_gives_name_and_bytes_of_its_file(server: Served) -> None:
    with server.client() as client:
        files = {"file": ("C:\\tmp\\walk.aedat4", b"answers=1")}
        answer = client.post("/detect", files=files, data={"note": "passed over"})
    assert answer.json()["recording"]["name"] == "walk.aedat4"
    assert answer.json()["recording"]["size_bytes"] == 9


def test_lines_come_as_they_are_made(server: Served) -> None:
    with server.client() as client:
        request = client.stream("POST", "/detect", content=b"answers=2", headers=NDJSON)
        with request as answer:
            kinds = [json.loads(line)["type"] for line in answer.iter_lines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert kinds == ["recording", "detections", "detections", "summary"]


def test_an_error_after_the_start_is_the_last_line(server: Served) -> None:
    with server.client() as client:
        answer = client.post("/detect", content=b"answers=2 broken=BrokenRecording", headers=NDJSON)
    last = json.loads(answer.text.splitlines()[-1])
    assert answer.status_code == 200
    assert last["type"] == "error"
    assert last["problem"]["type"] == "urn:spikesight:problem:broken-recording"
    assert "what was found" in last["problem"]["detail"]


@pytest.mark.parametrize("headers", [{}, NDJSON])
def test_an_error_before_the_first_answer_has_its_status(server: Served, headers: dict[str, str]) -> None:
    with server.client() as client:
        answer = client.post("/detect", content=b"open=UnknownFormat", headers=headers)
    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_error_in_the_middle_makes_the_document_a_problem(server: Served) -> None:
    with server.client() as client:
        answer = client.post("/detect", content=b"answers=5 broken=WorkerDied")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_an_unexpected_error_in_the_middle_of_lines_tells_no_secret(server: Served) -> None:
    lines: list[str] = []
    with (
        server.client() as client,
        client.stream("POST", "/detect", content=b"broken=RuntimeError", headers=NDJSON) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        lines.extend(answer.iter_lines())
    assert json.loads(lines[-1])["problem"]["status"] == 500
    assert "secret" not in "".join(lines)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("threshold=nan", "from 0 to 1"),
        ("threshold=inf", "from 0 to 1"),
        ("iou=-0.1", "from 0 to 1"),
        ("threshold=1.01", "from 0 to 1"),
        ("stride=0", "from 1 to"),
        ("width=70000", "from 1 to 65535"),
        ("start_us=5&end_us=5", "end_us"),
        ("treshold=0.3", "treshold"),
        ("threshold=many", "threshold"),
        ("start_us=99999999999999999999999", "start_us"),
    ],
)
def test_values_out_of_range_are_named_with_the_range(server: Served, query: str, said: str) -> None:
    with server.client() as client:
        answer = client.post(f"/detect?{query}", content=b"answers=1")
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_an_unknown_model_is_a_404_naming_the_known(server: Served) -> None:
    with server.client() as client:
        answer = client.post("/detect?model=resnet", content=b"answers=1")
    assert answer.status_code == 404
    assert "ems-nano" in answer.json()["detail"]


def test_a_wrong_query_is_refused_before_the_body_is_read(server: Served) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    head = f"POST /detect?threshold=2 HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(head.encode())
        assert raw.recv(4096).startswith(b"HTTP/1.1 422 ")
    assert server.uploads() == []


def test_past_the_deadline_is_a_504_that_names_the_way_out(serve: Serve) -> None:
    server = serve(deadline_s=0.2)
    with server.client() as client:
        answer = client.post("/detect", content=b"answers=1 stuck")
    assert answer.status_code == 504
    assert "respond-async" in answer.json()["detail"]
    assert server.runtime.open_runs == 0


def test_a_full_queue_is_a_503_with_retry_after(serve: Serve) -> None:
    server = serve()
    server.runtime.full = True
    with server.client() as client:
        answer = client.post("/detect", content=b"answers=1")
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert server.uploads() == []


@pytest.mark.parametrize("headers", [{}, NDJSON])
def test_a_client_gone_before_the_first_byte_ends_the_run(server: Served, headers: dict[str, str]) -> None:
    with server.client() as client, pytest.raises(httpx.ReadTimeout):
        client.post("/detect", content=b"stuck", headers=headers, timeout=0.3)
    eventually(lambda: server.runtime.open_runs == 0 and server.uploads() == [])


def test_a_client_gone_in_mid_answer_ends_the_run(server: Served) -> None:
    recording = b"answers=100000 pause=0.005"
    with server.client() as client:
        with client.stream("POST", "/detect", content=recording, headers=NDJSON) as answer:
            lines = answer.iter_lines()
            next(lines)
            assert server.runtime.open_runs == 1
        eventually(lambda: server.runtime.open_runs == 0 and server.uploads() == [])
        assert client.get("/health/ready").status_code == 200


def test_uploads_are_removed_after_every_answer(server: Served) -> None:
    with server.client() as client:
        for recording in (b"answers=1", b"open=UnknownFormat", b"broken=RuntimeError"):
            client.post("/detect", content=recording)
    eventually(lambda: server.uploads() == [])
    assert server.runtime.open_runs == 0


def test_a_recording_of_an_unknown_id_is_a_404(server: Served) -> None:
    with server.client() as client:
        answer = client.post(f"/detect?recording={'0' * 32}")
    assert answer.status_code == 404
    assert "GET /recordings" in answer.json()["detail"]
