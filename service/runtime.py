"""`Runtime`: everything behind the routes, as one async context manager."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from service.answers import Answer
from service.options import DetectOptions, StreamSpec
from service.settings import Settings
from streaming.source import SourceInfo


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    state: str  # "starting", "ready", "restarting", "failed", "stopped"
    pid: int | None
    engine: str
    device: str
    restarts: int
    models: tuple[str, ...]  # loaded now


@dataclass(frozen=True, slots=True)
class Health:
    """The answer of the health routes; `to_json` gives plain types."""

    ready: bool
    worker: WorkerHealth
    streams: int
    uploads_running: int
    uploads_waiting: int
    queues: tuple[Mapping[str, Any], ...]  # {name, policy, bound, depth, oldest_ms, dropped}
    uptime_s: float

    def to_json(self) -> dict[str, Any]: ...


class Viewer:
    """One viewer's messages; see `pump`. `async for message in viewer`: dict is JSON text, bytes a picture.

    Iteration ends when the stream ends or the viewer is too slow; `close_code` then says why (1000, 1001, 1011,
    1013). The last message before is an `error` where there was one. The first message is `hello`.
    """

    close_code: int

    def __aiter__(self) -> AsyncIterator[dict[str, Any] | bytes]: ...


class LiveStream:
    id: str
    name: str
    spec: StreamSpec
    info: SourceInfo  # format, width, height

    def hello(self) -> dict[str, Any]: ...
    def describe(self) -> dict[str, Any]:
        """JSON of `GET /streams/{id}`: id, name, source, model, threshold, iou, stride, policy, resolution, state, ..."""
        ...
    def subscribe(self, view_width: int | None = None) -> AbstractAsyncContextManager[Viewer]:
        """BadSetting for a view_width outside 16..1920."""
        ...
    async def reset(self, reason: str = "requested") -> None: ...
    async def stop(self) -> None: ...
    async def update(self, *, threshold: float | None = None, iou: float | None = None) -> None: ...
    async def push(self, events_frame: bytes) -> None:
        """BadFrame / FrameTooLarge, NotAPushStream, StreamEnded. Waits (back-pressure) while the child is behind."""
        ...


class DetectRun:
    """`async with runtime.detect(path, options) as run: info = await run.opened(); async for answer in run: ...`

    Leaving the block cancels what still runs. `opened` raises what is wrong with the file before any answer;
    the iterator raises what turns up later (broken in the middle, limits, WorkerDied).
    """

    options: DetectOptions
    info: SourceInfo | None  # None until opened
    progress: float  # 0..1
    answers: int

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    async def opened(self) -> SourceInfo: ...
    def __aiter__(self) -> AsyncIterator[Answer]: ...
    async def cancel(self) -> None: ...


class Runtime:
    settings: Settings
    ready: bool
    streams: Mapping[str, LiveStream]  # by id

    def __init__(self, settings: Settings) -> None: ...
    async def __aenter__(self) -> Self:
        """Starts the worker and returns at once; `ready` turns True after its warm-up (`wait_ready`)."""
        ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    async def wait_ready(self, timeout_s: float) -> None: ...
    def models(self) -> list[Any]:
        """`model.card.Card` of each model of the zoo."""
        ...
    def health(self) -> Health: ...
    def metrics(self) -> bytes:
        """Prometheus text exposition; its content type is `service.telemetry.CONTENT_TYPE`."""
        ...
    def stream(self, stream_id: str) -> LiveStream:
        """The stream of this id or name; raises UnknownStream."""
        ...
    async def start_stream(self, spec: StreamSpec) -> LiveStream:
        """Raises NameTaken, TooManyStreams, UnknownModel, BadSource, Forbidden, WorkerNotReady, any source error."""
        ...
    def detect(self, path: Path, options: DetectOptions) -> DetectRun:
        """Raises QueueFull, UnknownModel."""
        ...
