"""A `Runtime` without processes: what a recording says is what happens, so that all of HTTP can be walked.

A recording is text: `answers=3`, one word a setting. `open=UnknownFormat` and `broken=BrokenRecording` raise
that error before and after the answers, `pause=0.5` waits before each answer, `stuck` never answers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np

from model.detections import Detections
from model.errors import UnknownModel
from service.answers import Answer, Spikes
from service.errors import BadFrame, QueueFull, StreamEnded, TooManyStreams, UnknownStream, from_wire
from service.options import DetectOptions, StreamSpec
from service.settings import Settings
from service.telemetry import Metrics
from streaming.source import SourceInfo

CLASSES = ("person", "car", "two-wheeler")
CARD = {"name": "ems-nano", "classes": list(CLASSES), "step_us": 8000, "steps": 5}


def answer(seq: int) -> Answer:
    boxes = Detections(
        np.array([[1, 2, 30, 40]], np.float32), np.array([0.9], np.float32), np.array([1]), CLASSES
    )
    t_us = (seq * 40_000, (seq + 1) * 40_000)
    return Answer(seq, t_us, 5, boxes, 100, "cpu", spikes=Spikes(0.1, 1000.0, 0.001))


class FakeRun:
    def __init__(self, runtime: FakeRuntime, path: Path, options: DetectOptions) -> None:
        self._runtime, self.options = runtime, options
        text = path.read_bytes()[:1000].decode("latin-1")
        words = [word.partition("=") for word in text.split()]
        self._said = {name: value for name, _, value in words}
        self.info: SourceInfo | None = None
        self.progress, self.answers = 0.0, 0

    async def __aenter__(self) -> Self:
        self._runtime.open_runs += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0.01)  # the real one has processes to end: it must be let
        self._runtime.open_runs -= 1

    async def opened(self) -> SourceInfo:
        if "open" in self._said:
            raise _error(self._said["open"])
        self.info = SourceInfo("csv", 320, 240)
        return self.info

    async def __aiter__(self) -> AsyncIterator[Answer]:
        count = int(self._said.get("answers", "2"))
        for seq in range(count):
            await asyncio.sleep(3600 if "stuck" in self._said else float(self._said.get("pause", "0")))
            self.answers, self.progress = seq + 1, (seq + 1) / count
            yield answer(seq)
        if "broken" in self._said:
            raise _error(self._said["broken"])

    async def cancel(self) -> None:
        pass


def _error(name: str) -> Exception:
    if name == "RuntimeError":
        return RuntimeError("a secret of ours")
    return from_wire({"error": name, "message": f"what was found ({name})"})


class FakeViewer:
    def __init__(self, stream: FakeStream, view_width: int | None) -> None:
        self._stream, self._view_width, self.close_code = stream, view_width, 1000
        self.messages: asyncio.Queue[dict[str, Any] | bytes | None] = asyncio.Queue()

    async def __aiter__(self) -> AsyncIterator[dict[str, Any] | bytes]:
        yield self._stream.hello()
        if self._view_width is not None:
            yield b"RIFF-picture"
        while (message := await self.messages.get()) is not None:
            yield message

    async def pump(self, send: Callable[[dict[str, Any] | bytes], Awaitable[None]]) -> int:
        async for message in self:
            await send(message)
        return self.close_code


class FakeStream:
    def __init__(self, runtime: FakeRuntime, spec: StreamSpec) -> None:
        self._runtime, self.spec = runtime, spec
        self.id = f"s{len(runtime.started)}"
        self.name = spec.name or self.id
        self.threshold, self.iou = spec.threshold or 0.25, spec.iou or 0.45
        self.viewers: list[FakeViewer] = []
        self._seq = 0

    def hello(self) -> dict[str, Any]:
        return {"type": "hello", "protocol": 1, "stream": self.id, "model": self.spec.model}

    def describe(self) -> dict[str, Any]:
        said = {"id": self.id, "name": self.name, "source": self.spec.source, "model": self.spec.model}
        return said | {"threshold": self.threshold, "iou": self.iou}

    @asynccontextmanager
    async def subscribe(self, view_width: int | None = None) -> AsyncIterator[FakeViewer]:
        viewer = FakeViewer(self, view_width)
        self.viewers.append(viewer)
        try:
            yield viewer
        finally:
            self.viewers.remove(viewer)

    def _tell(self, message: dict[str, Any] | None) -> None:
        for viewer in self.viewers:
            viewer.messages.put_nowait(message)

    async def reset(self, reason: str = "requested") -> None:
        self._tell({"type": "reset", "reason": reason})

    async def stop(self) -> None:
        self._runtime.streams.pop(self.id, None)
        self._tell(None)

    async def update(
        self, *, threshold: float | None = None, iou: float | None = None, **_: str | bool | None
    ) -> None:
        if self.id not in self._runtime.streams:
            raise StreamEnded("the stream has ended")
        self.threshold = self.threshold if threshold is None else threshold
        self.iou = self.iou if iou is None else iou

    async def push(self, events_frame: bytes) -> None:
        if not events_frame.startswith(b"EVT0"):
            raise BadFrame(f"found magic {events_frame[:4]!r}; frames begin with EVT0")
        self._tell(answer(self._seq).to_message())
        self._seq += 1


class FakeRuntime:
    """Stands in for `service.runtime.Runtime`."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.ready = settings, True
        self.telemetry = Metrics()
        self.streams: dict[str, FakeStream] = {}
        self.started: list[FakeStream] = []
        self.open_runs = 0
        self.full = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def restore(self, *_: object) -> None:
        pass

    async def stop_streams(self) -> None:
        pass

    def observe_with(self, _: object) -> None:
        pass

    def count_queues(self, _: object) -> None:
        pass

    @property
    def live_model(self) -> str:
        return "ems-nano"

    def models(self) -> list[Any]:
        return [SimpleNamespace(name="ems-nano", to_json=lambda: json.dumps(CARD))]

    def health(self) -> Any:
        said = {
            "ready": self.ready,
            "worker": {"state": "ready", "device": "cpu"},
            "streams": len(self.streams),
        }
        worker = SimpleNamespace(device="cpu", state="ready" if self.ready else "starting")
        return SimpleNamespace(ready=self.ready, worker=worker, to_json=lambda: said)

    def metrics(self) -> bytes:
        return b"spikesight_streams 0\n"

    def stream(self, stream_id: str) -> FakeStream:
        for stream in self.streams.values():
            if stream_id in (stream.id, stream.name):
                return stream
        raise UnknownStream(f"found no stream {stream_id[:100]!r}; GET /streams lists those that run")

    async def start_stream(self, spec: StreamSpec) -> FakeStream:
        if len(self.streams) >= self.settings.max_streams:
            raise TooManyStreams(f"found {len(self.streams)} streams, which is the most allowed; stop one")
        stream = FakeStream(self, spec)
        self.started.append(stream)
        self.streams[stream.id] = stream
        return stream

    def detect(self, path: Path, options: DetectOptions) -> FakeRun:
        if options.model != "ems-nano":
            raise UnknownModel(options.model)
        if self.full:
            raise QueueFull("found 32 uploads waiting, which is the most allowed")
        return FakeRun(self, path, options)
