"""A small Python client of a running service, used by `spikesight watch` and open to other programs.

::

    from service.client import Client

    with Client("http://127.0.0.1:8000") as client:
        for answer in client.detect("street.raw")["answers"]:
            print(answer["t_us"], answer["boxes"])
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from websockets.sync.client import ClientConnection, connect

Message = dict[str, Any]


class ServiceProblem(Exception):
    """The service refused: its RFC 9457 problem, as an exception.

    Attributes:
        status: HTTP status.
        title: short name of the problem.
        detail: what was found, what is allowed and what to do.
    """

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(f"{title} ({status}): {detail}" if detail else f"{title} ({status})")
        self.status, self.title, self.detail = status, title, detail


class Client:
    """Synchronous client; one per thread.

    Args:
        url: where the service listens, `http://` or `https://`.
        token: bearer token, where the service asks for one.
        timeout_s: longest wait for the next byte of an answer, seconds.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", *, token: str | None = None, timeout_s: float = 120
    ) -> None:
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._url = url.rstrip("/")
        self._http = httpx.Client(base_url=self._url, headers=self._headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def health(self) -> Message:
        """What `/health/ready` says; raises `ServiceProblem` while the service is not ready."""
        return self._json(self._http.get("/health/ready"))

    def ready(self) -> bool:
        """Whether the service answers and is ready."""
        try:
            return self._http.get("/health/ready").is_success
        except httpx.TransportError:
            return False

    def models(self) -> list[Message]:
        models: list[Message] = self._json(self._http.get("/models"))["models"]
        return models

    def detect(self, recording: str | Path, **query: str | int | float) -> Message:
        """Boxes of a whole recording; `query` as in `POST /detect` (threshold, start_us, ...)."""
        path = Path(recording)
        with path.open("rb") as body:
            return self._json(self._http.post("/detect", files={"file": (path.name, body)}, params=query))

    def detect_lines(self, recording: str | Path, **query: str | int | float) -> Iterator[Message]:
        """The same as NDJSON: one message at a time, as the service makes them."""
        path = Path(recording)
        headers = {"Accept": "application/x-ndjson"}
        with (
            path.open("rb") as body,
            self._http.stream(
                "POST", "/detect", files={"file": (path.name, body)}, params=query, headers=headers
            ) as response,
        ):
            if response.is_error:
                response.read()
                raise _problem(response)
            for line in response.iter_lines():
                yield json.loads(line)

    def streams(self) -> list[Message]:
        streams: list[Message] = self._json(self._http.get("/streams"))["streams"]
        return streams

    def stream(self, stream: str) -> Message:
        """What one stream says of itself; its id or name."""
        return self._json(self._http.get(f"/streams/{stream}"))

    def start_stream(self, source: str, **settings: str | int | float) -> Message:
        """Starts a source in the service, for example `sim://street?seed=1`."""
        return self._json(self._http.post("/streams", json={"source": source, **settings}))

    def stop_stream(self, stream: str) -> None:
        response = self._http.delete(f"/streams/{stream}")
        if response.is_error:
            raise _problem(response)

    def watch(self, stream: str) -> Iterator[Message]:
        """Messages of a stream until it ends, `hello` first."""
        with self._socket(f"/streams/{stream}/live") as socket:
            for message in socket:
                if isinstance(message, str):
                    yield json.loads(message)

    @contextmanager
    def _socket(self, path: str) -> Iterator[ClientConnection]:
        url = self._url.replace("http", "ws", 1) + path
        with connect(url, additional_headers=self._headers, max_size=16 << 20) as socket:
            yield socket

    def _json(self, response: httpx.Response) -> Message:
        if response.is_error:
            raise _problem(response)
        message: Message = response.json()
        return message


def _problem(response: httpx.Response) -> ServiceProblem:
    try:
        problem = response.json()
    except json.JSONDecodeError:
        return ServiceProblem(response.status_code, response.reason_phrase, response.text[:200])
    return ServiceProblem(
        response.status_code, problem.get("title", response.reason_phrase), problem.get("detail", "")
    )
