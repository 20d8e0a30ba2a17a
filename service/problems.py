"""Errors as RFC 9457 problems: one shape for every refusal, and the handlers that make it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from model.errors import ModelError
from service.errors import INTERNAL, PROBLEMS, BadRequest, Problem, ServiceError, problem_of
from streaming.errors import StreamingError

MEDIA_TYPE = "application/problem+json"
_SHOWN_CHARACTERS = 100
_SECRETS, _SECRET = ("secret", "password"), "***"


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE


def problem_body(error: BaseException) -> dict[str, Any]:
    """`type`, `title`, `status`, `detail` of any error; what is not ours is not shown."""
    row = problem_of(error)
    detail = INTERNAL.title if row is INTERNAL else str(error)
    return {"type": row.type, "title": row.title, "status": row.status, "detail": detail}


def error_response(error: BaseException, scope: Scope) -> Response:
    """The whole answer to `error`, `Retry-After` and `WWW-Authenticate` included."""
    return _respond(problem_body(error), _headers(problem_of(error)), scope)


def _headers(row: Problem) -> dict[str, str]:
    headers = {} if row.retry_after_s is None else {"Retry-After": str(row.retry_after_s)}
    if row.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="spikesight"'
    return headers


def _respond(body: dict[str, Any], headers: Mapping[str, str], scope: Scope) -> Response:
    place = {"instance": scope["path"], "request_id": scope.get("state", {}).get("request_id", "-")}
    return ProblemResponse({**body, **place}, body["status"], headers)


def install(app: FastAPI) -> None:
    """Every error that a route of `app` can raise becomes a problem."""
    for tree in (ServiceError, StreamingError, ModelError):
        app.add_exception_handler(tree, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(ClientDisconnect, _gone)


async def _known(request: Request, error: Exception) -> Response:
    return error_response(error, request.scope)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [_fault(fault) for fault in error.errors()]
    detail = "; ".join(
        f"{'.'.join(fault['at'])}: {fault['message']}, found {fault['found']}" for fault in faults
    )
    row = PROBLEMS[BadRequest]
    body = {"type": row.type, "title": row.title, "status": row.status, "detail": detail, "errors": faults}
    return _respond(body, {}, request.scope)


def _fault(fault: Mapping[str, Any]) -> dict[str, Any]:
    location: Sequence[Any] = fault["loc"]
    found = _SECRET if location and location[-1] in _SECRETS else _shown(fault.get("input"))
    return {
        "at": [str(part) for part in location],
        "message": _sentence(fault["msg"]),
        "found": "nothing" if fault["type"] == "missing" else found,
    }


def _sentence(message: str) -> str:
    return message.removeprefix("Input ").removeprefix("Value error, ")


def _shown(value: Any) -> str:
    value = _without_secrets(value)
    text = repr(value) if not isinstance(value, float) or math.isfinite(value) else str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


def _without_secrets(value: Any, depth: int = 5) -> Any:
    """What was found, fit for answers and logs."""
    if isinstance(value, dict | list) and not depth:
        return "..."
    if isinstance(value, dict):
        return {
            name: _SECRET if name in _SECRETS else _without_secrets(inner, depth - 1)
            for name, inner in value.items()
        }
    return [_without_secrets(inner, depth - 1) for inner in value] if isinstance(value, list) else value


async def _plain(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    detail = error.detail if error.detail != phrase else _advice(request, error.status_code)
    body = {"type": "about:blank", "title": phrase, "status": error.status_code, "detail": detail}
    return _respond(body, error.headers or {}, request.scope)


def _advice(request: Request, status: int) -> str:
    if status == HTTPStatus.NOT_FOUND:
        return f"there is nothing at {request.url.path}; /docs lists what there is"
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{request.method} is not allowed at {request.url.path}; the header Allow names what is"
    return HTTPStatus(status).description or HTTPStatus(status).phrase


async def _gone(request: Request, error: Exception) -> Response:
    # Nobody reads it; the status only tells the log line from an answered request.
    return Response(status_code=499)
