"""Jobs: made by `POST /detect`, followed, read, cancelled, forgotten."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.service.conftest import Serve, Served
from tests.service.test_detect import NDJSON, eventually

ASYNC = {"Prefer": "respond-async"}


def submit(client: httpx.Client, recording: bytes) -> dict[str, Any]:
    answer = client.post("/detect", content=recording, headers=ASYNC)
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "respond-async"
    job: dict[str, Any] = client.get(answer.headers["location"]).json()
    return job


def ended(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    eventually(lambda: client.get(f"/jobs/{job['id']}").json()["state"] not in ("queued", "running"))
    last: dict[str, Any] = client.get(f"/jobs/{job['id']}").json()
    return last


def files(server: Served) -> list[str]:
    return [path.name for path in (server.data_dir / "jobs").iterdir()]


def test_a_job_outlives_its_request_and_keeps_its_result(server: Served) -> None:
    with server.client() as client:
        job = submit(client, b"answers=3 pause=0.01")
    with server.client() as client:
        assert ended(client, job)["progress"] == 1.0
        document = client.get(f"/jobs/{job['id']}/result")
        lines = client.get(f"/jobs/{job['id']}/result", headers=NDJSON).text.splitlines()
        client.delete(f"/jobs/{job['id']}")
    assert [one["seq"] for one in document.json()["answers"]] == [0, 1, 2]
    assert [json.loads(line)["type"] for line in lines] == ["recording", *["detections"] * 3, "summary"]
    assert files(server) == []
    assert server.uploads() == []


def test_an_upload_over_the_synchronous_limit_becomes_a_job(serve: Serve) -> None:
    server = serve(sync_limit_bytes=10)
    with server.client() as client:
        small = client.post("/detect", content=b"answers=1")
        large = client.post("/detect", content=b"answers=1" + b" " * 10)
    assert small.status_code == 200
    assert large.status_code == 202
    assert "preference-applied" not in large.headers
    assert large.headers["location"] == f"/jobs/{large.json()['id']}"


def test_progress_and_time_left_are_told_as_events(server: Served) -> None:
    with server.client() as client:
        job = submit(client, b"answers=40 pause=0.05")
        with client.stream("GET", f"/jobs/{job['id']}/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            states = [json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:")]
        client.delete(f"/jobs/{job['id']}")
    assert states[-1]["state"] == "done"
    assert states[-1]["progress"] == 1.0
    progress = [state["progress"] for state in states]
    assert progress == sorted(progress)
    assert any(state["eta_s"] for state in states)


def test_a_cancelled_job_stops_and_says_so(server: Served) -> None:
    with server.client() as client:
        job = submit(client, b"answers=10000 pause=0.01")
        assert client.delete(f"/jobs/{job['id']}").status_code == 204
        assert client.get(f"/jobs/{job['id']}").json()["state"] == "cancelled"
        refused = client.get(f"/jobs/{job['id']}/result")
        assert client.delete(f"/jobs/{job['id']}").status_code == 204
        assert client.get(f"/jobs/{job['id']}").status_code == 404
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("job-cancelled")
    assert server.runtime.open_runs == 0
    assert files(server) == []


def test_an_unfinished_job_has_no_result_yet(server: Served) -> None:
    with server.client() as client:
        job = submit(client, b"answers=1 stuck")
        refused = client.get(f"/jobs/{job['id']}/result")
        client.delete(f"/jobs/{job['id']}")
    assert refused.status_code == 409
    assert f"/jobs/{job['id']}/events" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("recording", "status"), [(b"open=UnknownFormat", 415), (b"broken=RuntimeError", 500)]
)
def test_a_failed_job_answers_with_its_own_problem(server: Served, recording: bytes, status: int) -> None:
    with server.client() as client:
        job = ended(client, submit(client, recording))
        result = client.get(f"/jobs/{job['id']}/result")
    assert job["state"] == "failed"
    assert job["problem"]["status"] == status
    assert result.status_code == status
    assert "secret" not in result.text


def test_unfinished_jobs_are_bounded_and_ended_ones_make_room(serve: Serve) -> None:
    server = serve(max_jobs=2)
    with server.client() as client:
        first = submit(client, b"answers=1")
        ended(client, first)
        for _ in range(2):
            submit(client, b"stuck")
        assert client.get(f"/jobs/{first['id']}").status_code == 404
        full = client.post("/detect", content=b"answers=1", headers=ASYNC)
        assert len(client.get("/jobs").json()["jobs"]) == 2
    assert full.status_code == 503
    assert "retry-after" in full.headers
    assert server.uploads() == []


def test_an_ended_job_is_forgotten_after_its_time(serve: Serve) -> None:
    server = serve(job_ttl_s=0.2)
    with server.client() as client:
        job = submit(client, b"answers=1")
        eventually(lambda: client.get(f"/jobs/{job['id']}").status_code == 404)
    eventually(lambda: files(server) == [])


def test_jobs_left_by_an_earlier_run_are_cleared(serve: Serve) -> None:
    server = serve()
    with server.client() as client:
        job = submit(client, b"stuck")
        assert files(server)
    again = serve()
    with again.client() as client:
        assert client.get(f"/jobs/{job['id']}").status_code == 404
    assert files(again) == []


@pytest.mark.parametrize("path", ["", "/events", "/result"])
def test_an_unknown_job_is_a_404(server: Served, path: str) -> None:
    with server.client() as client:
        assert client.get(f"/jobs/nothing{path}").status_code == 404
