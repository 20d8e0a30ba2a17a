"""The form of every error, over HTTP and on a socket."""

from __future__ import annotations

import json

import pytest

from service.errors import PROBLEMS, error_message
from service.problems import error_response
from tests.contract import golden
from tests.service.conftest import Served

SCOPE = {"type": "http", "path": "/detect", "state": {"request_id": "0123abcd"}}
BY_SLUG = {row.slug: kind for kind, row in reversed(PROBLEMS.items())}


@pytest.mark.parametrize("slug", BY_SLUG)
def test_the_form_of_every_error_is_fixed(slug: str) -> None:
    error = BY_SLUG[slug]("what was found, what is allowed, what to do")
    response = error_response(error, SCOPE)
    shown = ("content-type", "retry-after", "www-authenticate")
    http = {
        "status": response.status_code,
        "headers": {name: response.headers[name] for name in shown if name in response.headers},
        "body": json.loads(bytes(response.body)),
    }
    socket = {"message": error_message(error, fatal=True), "close": PROBLEMS[BY_SLUG[slug]].ws_code}
    golden.check(f"error-{slug}", {"http": http, "socket": socket})


def test_no_golden_error_is_left_over() -> None:
    assert {path.stem for path in golden.FOLDER.glob("error-*.json")} == {f"error-{slug}" for slug in BY_SLUG}


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        ("invalid-query", "POST", "/detect?threshold=nan&stride=0"),
        ("invalid-body", "POST", "/streams"),
        ("not-found", "GET", "/nothing"),
        ("method-not-allowed", "PUT", "/detect"),
        ("unknown-job", "GET", "/jobs/7"),
    ],
)
def test_the_form_of_refused_requests_is_fixed(server: Served, name: str, method: str, path: str) -> None:
    with server.client() as client:
        answer = client.request(method, path, headers={"X-Request-ID": "0123abcd"})
    golden.check(f"problem-{name}", answer.json())
