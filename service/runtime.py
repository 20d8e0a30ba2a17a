"""`Runtime`: everything behind the routes, as one async context manager."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import structlog

from model.card import Card, available, load_card
from model.errors import BadSetting, UnknownModel
from service.detecting import DetectRun
from service.errors import NameTaken, TooManyStreams, UnknownStream
from service.flow import Flow, FlowSpec
from service.hub import Viewer
from service.options import DetectOptions, StreamSpec
from service.settings import Settings
from service.source_messages import SourceRequest
from service.streams import LiveStream, stop_all
from service.supervisor import Supervisor, WorkerHealth
from service.telemetry import CONTENT_TYPE, Metrics
from service.turns import Turns
from streaming import isolation
from streaming.limits import Limits

__all__ = ["CONTENT_TYPE", "DetectRun", "Health", "LiveStream", "Runtime", "Viewer", "WorkerHealth"]

LIVE_IN_FLIGHT, UPLOAD_IN_FLIGHT = 5, 8  # enough to hide the way between processes on a busy machine
OPEN_LIVE_S, OPEN_UPLOAD_S = 60.0, 60.0
WORKER_PATIENCE_S = 60.0

_log = structlog.get_logger("service.runtime")


@dataclass(frozen=True, slots=True)
class Health:
    """The answer of the health routes.

    Attributes:
        ready: the worker is warmed up and takes streams.
        worker: state, process, device, restarts.
        streams: running streams.
        uploads_running, uploads_waiting: uploads being worked on, and those waiting for a turn.
        queues: per stream name, policy, bound, depth, oldest_ms, dropped.
        uptime_s: seconds since the start.
    """

    ready: bool
    worker: WorkerHealth
    streams: int
    uploads_running: int
    uploads_waiting: int
    queues: tuple[Mapping[str, Any], ...]
    uptime_s: float

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {**asdict(self), "queues": [dict(queue) for queue in self.queues]}


class Runtime:
    """Worker, streams and uploads of one service.

    Args:
        settings: of the service.

    Attributes:
        settings: as given.
        streams: running streams by id.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._metrics = Metrics()
        self._supervisor = Supervisor(settings, self._metrics.worker_restarts.inc)
        self._streams: dict[str, LiveStream] = {}
        self._names: set[str] = set()
        self._runs: set[DetectRun] = set()
        self._cards: dict[str, Card] = {}
        self._turns = Turns(settings.max_uploads, settings.max_waiting_uploads)
        self._begun_s = time.monotonic()
        self._warming: asyncio.Task[None] | None = None
        self.streams: Mapping[str, LiveStream] = MappingProxyType(self._streams)

    async def __aenter__(self) -> Self:
        """Starts the worker and returns at once; `ready` turns true after its warm-up.

        Raises:
            UnknownModel: the default model is not in the zoo.
            BadWeights: a card of the zoo is broken.
        """
        self._cards = await asyncio.to_thread(_zoo)
        self._card(self.settings.model)
        self._supervisor.start()
        self._warming = asyncio.create_task(asyncio.to_thread(isolation.warm), name="forkserver-warm-up")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends everything within `shutdown_s`: streams and uploads first, then the worker."""
        begun_s = time.monotonic()
        share_s = self.settings.shutdown_s / 2
        runs = [asyncio.create_task(run.cancel(), name="cancel-upload") for run in self._runs]
        await stop_all(list(self._streams.values()), share_s)
        if runs:
            await asyncio.wait(runs, timeout=share_s)
        await self._supervisor.stop(share_s)
        if self._warming is not None:
            await asyncio.wait([self._warming], timeout=share_s)
        _log.info("runtime stopped", took_s=round(time.monotonic() - begun_s, 2))

    @property
    def ready(self) -> bool:
        """The worker is warmed up, and source processes start fast."""
        return self._supervisor.ready and self._warming is not None and self._warming.done()

    async def wait_ready(self, timeout_s: float) -> None:
        """Waits for `ready`; raises WorkerNotReady where it takes longer than `timeout_s`."""
        await self._supervisor.wait_ready(timeout_s)
        if self._warming is not None:
            await asyncio.wait([self._warming], timeout=timeout_s)

    def models(self) -> list[Card]:
        """Cards of the zoo, the default first."""
        return list(self._cards.values())

    def health(self) -> Health:
        """How everything is."""
        return Health(
            ready=self.ready,
            worker=self._supervisor.health(),
            streams=len(self._streams),
            uploads_running=self._turns.running,
            uploads_waiting=self._turns.waiting,
            queues=tuple(stream.queue() for stream in self._streams.values()),
            uptime_s=round(time.monotonic() - self._begun_s, 3),
        )

    def metrics(self) -> bytes:
        """Prometheus text; its content type is `CONTENT_TYPE`."""
        metrics, queues = self._metrics, [stream.queue() for stream in self._streams.values()]
        metrics.streams.set(len(self._streams))
        metrics.uploads_running.set(self._turns.running)
        metrics.uploads_waiting.set(self._turns.waiting)
        metrics.worker_ready.set(self._supervisor.ready)
        metrics.show_queues({queue["name"]: (queue["depth"], queue["oldest_ms"] / 1e3) for queue in queues})
        return metrics.exposition()

    def stream(self, stream_id: str) -> LiveStream:
        """The running stream of this id or name; raises UnknownStream."""
        found = self._streams.get(stream_id)
        by_name = (stream for stream in self._streams.values() if stream.name == stream_id)
        found = found or next(by_name, None)
        if found is None:
            raise UnknownStream(f"no stream {stream_id[:80]!r} is running; GET /streams lists those that are")
        return found

    async def start_stream(self, spec: StreamSpec) -> LiveStream:
        """Starts a stream; it runs until it is stopped, its source ends or nobody wants it any more.

        Any file may be named here; which ones the network may name is decided in `service/addresses.py`.

        Raises:
            NameTaken, TooManyStreams: see `service/errors.py`.
            UnknownModel: no such model in the zoo.
            StreamingError: the source cannot be opened, and why.
        """
        card = self._card(spec.model)
        stream_id = uuid.uuid4().hex[:12]
        name = spec.name or stream_id
        self._claim(name)
        stream = self._new_stream(stream_id, name, spec, card)
        try:
            await stream.start()
        except BaseException:
            self._names.discard(name)
            await stream.abandon()
            raise
        if stream.running:
            self._streams[stream_id] = stream
        return stream

    def detect(self, path: Path, options: DetectOptions) -> DetectRun:
        """A recording on its way; nothing runs before `opened` or the first answer is awaited.

        Raises:
            QueueFull: too many uploads wait.
            UnknownModel: no such model in the zoo.
        """
        card = self._card(options.model)
        self._turns.check()

        def make_flow(run: DetectRun) -> Flow:
            return Flow(self._upload_spec(path, options, card), self._supervisor, self._metrics, run)

        run = DetectRun(options, self._turns, make_flow, self._forget_run)
        self._runs.add(run)
        return run

    def _card(self, model: str) -> Card:
        card = self._cards.get(model)
        if card is None:
            raise UnknownModel(f"no model {model[:80]!r}; known are {', '.join(self._cards) or 'none'}")
        if card.count_channels != 2:
            raise BadSetting(f"model {card.name} takes pictures, not events; choose another")
        return card

    def _claim(self, name: str) -> None:
        """Takes a name and one of the places, before anything is awaited."""
        if name in self._names:
            raise NameTaken(f"a stream named {name!r} is running; stop it first or choose another name")
        if len(self._names) >= self.settings.max_streams:
            raise TooManyStreams(
                f"{len(self._names)} streams are running, which is the most allowed; stop one first"
            )
        self._names.add(name)

    def _new_stream(self, stream_id: str, name: str, spec: StreamSpec, card: Card) -> LiveStream:
        flow_spec = self._live_spec(stream_id, spec, card)
        return LiveStream(
            stream_id,
            name,
            spec,
            flow_spec,
            self.settings,
            self._supervisor,
            self._metrics,
            self._forget_stream,
        )

    def _forget_stream(self, stream: LiveStream) -> None:
        self._streams.pop(stream.id, None)
        self._names.discard(stream.name)

    def _forget_run(self, run: DetectRun) -> None:
        if run in self._runs:
            self._runs.remove(run)
            self._metrics.uploads.labels(run.outcome).inc()

    def _live_spec(self, stream_id: str, spec: StreamSpec, card: Card) -> FlowSpec:
        settings = self.settings
        request = SourceRequest(
            spec.source,
            card.step_us,
            card.grid,
            spec.policy,
            spec.width,
            spec.height,
            picture_fps=settings.picture_fps,
        )
        memory = settings.parse_memory_mb << 20
        return FlowSpec(
            stream_id,
            card,
            request,
            replace(Limits.live(), memory_bytes=max(memory, 4 << 30)),
            _options(spec),
            max(settings.live_queue_steps, 2 * card.steps),
            LIVE_IN_FLIGHT,
            live=True,
            redo=0,
            patience_s=settings.worker_start_s,
            open_s=OPEN_LIVE_S,
        )

    def _upload_spec(self, path: Path, options: DetectOptions, card: Card) -> FlowSpec:
        settings = self.settings
        request = SourceRequest(
            str(path),
            card.step_us,
            card.grid,
            "block",
            options.width,
            options.height,
            options.format,
            options.start_us,
            options.end_us,
        )
        limits = Limits(
            max_bytes=settings.max_upload_bytes,
            max_events=settings.parse_max_events,
            max_duration_us=int(settings.parse_max_duration_s * 1e6),
            memory_bytes=settings.parse_memory_mb << 20,
            cpu_s=settings.parse_cpu_s,
            wall_s=settings.parse_wall_s,
        )
        return FlowSpec(
            f"upload-{uuid.uuid4().hex[:12]}",
            card,
            request,
            limits,
            _options(options),
            settings.upload_queue_steps,
            UPLOAD_IN_FLIGHT,
            live=False,
            redo=settings.worker_redo,
            patience_s=min(WORKER_PATIENCE_S, settings.worker_start_s),
            open_s=OPEN_UPLOAD_S,
        )


def _options(chosen: DetectOptions | StreamSpec) -> dict[str, Any]:
    return {"threshold": chosen.threshold, "iou": chosen.iou, "stride": chosen.stride}


def _zoo() -> dict[str, Card]:
    return {name: load_card(name) for name in available()}


@contextlib.asynccontextmanager
async def running(settings: Settings, timeout_s: float) -> Any:
    """A runtime that is ready; for scripts and tests."""
    async with Runtime(settings) as runtime:
        await runtime.wait_ready(timeout_s)
        yield runtime
