"""The outermost layer: an id on every answer and log line, one line a request, no trace to the client."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import ServiceError, error_message
from service.problems import error_response

_WELL_FORMED = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_LINGER_S = 2.0
_PROBED = ("/health/", "/metrics")
_log = structlog.get_logger("service.http")


def request_id_of(scope: Scope) -> str:
    """The id of a request or socket, as logged and sent back."""
    found: str = scope.get("state", {}).get("request_id", "-")
    return found


class RequestId:
    """Names, logs and answers for every request; the process edge that catches what nothing else did."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _WELL_FORMED.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            exchange = _Exchange(scope, receive, send, request_id)
            await self._answer(scope, exchange)

    async def _answer(self, scope: Scope, exchange: _Exchange) -> None:
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception:  # noqa: BLE001 - the edge of the process: logged whole, told to the client without a trace
            _log.exception("request failed", method=scope.get("method"), path=scope["path"])
            await exchange.fail()
        finally:
            exchange.log()


class _Exchange:
    """Watches one request or socket from outside."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        self._scope, self._receive, self._send, self._request_id = scope, receive, send, request_id
        self._started_s = time.monotonic()
        self._status: int | None = None
        headers = Headers(scope=scope)
        self._body_unread = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._body_unread = False
        return message

    async def send(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept"):
            self._status = message.get("status", 101)
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._request_id
            if self._refused_unread:
                headers["Connection"] = "close"
        if self._refused_unread and message["type"] == "http.response.body" and not message.get("more_body"):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    @property
    def _refused_unread(self) -> bool:
        return self._scope["type"] == "http" and self._body_unread and (self._status or 0) >= 400

    async def _linger(self) -> None:
        # Closing at once on a client that still sends makes its kernel throw the answer away unread.
        try:
            async with asyncio.timeout(_LINGER_S):
                while self._body_unread:
                    await self.receive()
        except TimeoutError:
            self._body_unread = False

    async def fail(self) -> None:
        error = ServiceError()
        if self._scope["type"] == "websocket":
            if self._status is not None:
                await self._send(
                    {"type": "websocket.send", "text": json.dumps(error_message(error, fatal=True))}
                )
            await self._send({"type": "websocket.close", "code": 1011, "reason": "internal"})
        elif self._status is None:
            response = error_response(error, self._scope)
            await response(self._scope, self.receive, self.send)
        else:
            # The status line is gone: an answer cut short is the only way left to say that it is not whole.
            raise ConnectionAbortedError("the answer broke off; see the log line above")

    def log(self) -> None:
        # Probes come every few seconds for months; they are worth a line only where they fail.
        probe = self._scope["path"].startswith(_PROBED) and (self._status or 0) < 400
        (_log.debug if probe else _log.info)(
            "request" if self._scope["type"] == "http" else "socket closed",
            method=self._scope.get("method", "WS"),
            path=self._scope["path"],
            status=self._status,
            seconds=round(time.monotonic() - self._started_s, 4),
        )
