"""Errors as problems: every known error, and nothing of ours in the unknown ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from model.errors import ModelError
from service.errors import INTERNAL, PROBLEMS, ServiceError
from service.problems import problem_body
from streaming.errors import StreamingError
from tests.service.conftest import Serve, Served

API_DOCS = Path(__file__).parents[2] / "docs" / "api.md"


def every_error(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for child in root.__subclasses__():
        yield from every_error(child)


ERRORS = [kind for root in (ServiceError, StreamingError, ModelError) for kind in every_error(root)]


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_of_ours_has_a_problem(kind: type[Exception]) -> None:
    body = problem_body(kind("what was found"))
    assert 400 <= body["status"] < 600
    assert body["type"].startswith("urn:spikesight:problem:")
    assert body["detail"] == ("what was found" if body["type"] != INTERNAL.type else INTERNAL.title)


def test_the_documented_table_is_the_one_in_the_code() -> None:
    documented = set(
        re.findall(r"^\| (\d+) \| `([a-z-]+)` \| (\d+) \| ([^|]+) \|", API_DOCS.read_text(), re.M)
    )
    rows = {(str(row.status), row.slug, str(row.ws_code), row.title) for row in PROBLEMS.values()}
    assert documented == rows


@contextmanager
def breaking(server: Served) -> Iterator[None]:
    models, server.runtime.models = server.runtime.models, lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value] # broken on purpose
    try:
        yield
    finally:
        server.runtime.models = models  # type: ignore[method-assign] # mended


def test_an_unexpected_error_is_a_500_that_tells_only_its_request(serve: Serve) -> None:
    server = serve()
    with capture_logs() as logs, breaking(server), server.client() as client:
        answer = client.get("/models", headers={"X-Request-ID": "find-me"})
    problem = answer.json()
    assert answer.status_code == 500
    assert problem["request_id"] == answer.headers["x-request-id"] == "find-me"
    assert problem["detail"] == INTERNAL.title
    assert "ZeroDivision" not in answer.text
    assert any(line["log_level"] == "error" and line["path"] == "/models" for line in logs)


def test_a_request_id_is_echoed_or_made(server: Served) -> None:
    with server.client() as client:
        echoed = client.get("/health/live", headers={"X-Request-ID": "abc-1.2:3"})
        hostile = client.get("/health/live", headers={"X-Request-ID": "a b<script>"})
        long = client.get("/health/live", headers={"X-Request-ID": "a" * 129})
    assert echoed.headers["x-request-id"] == "abc-1.2:3"
    for made in (hostile, long):
        assert re.fullmatch("[0-9a-f]{32}", made.headers["x-request-id"])


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/detect", 405)])
def test_what_is_not_there_is_a_problem_too(server: Served, method: str, path: str, status: int) -> None:
    with server.client() as client:
        answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["instance"] == path
    assert path in answer.json()["detail"]
