"""The description in `/openapi.json` against the running service, by generated requests."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.app import create_app
from service.settings import Settings
from tests.servers import RunningServer

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
ANSWER_S = 60
EXAMPLES = {"POST /streams": 5}
"""Fewer where an example may start a process."""

schema = schemathesis.openapi.from_dict(create_app(Settings()).openapi())
OPERATIONS = {found.ok().label: found.ok() for found in schema.get_all_operations()}


@pytest.mark.parametrize("label", OPERATIONS)
def test_answers_are_as_described(label: str, real_server: RunningServer) -> None:
    operation = OPERATIONS[label]

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES.get(label, 12),
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def every(case: Any) -> None:
        answer = case.call_and_validate(base_url=real_server.url, checks=CHECKS, timeout=ANSWER_S)
        if label == "POST /streams" and answer.status_code == 201:
            httpx.delete(f"{real_server.url}/streams/{answer.json()['id']}", timeout=ANSWER_S)

    every()
