"""`Runtime`: everything behind the routes, as one async context manager."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import structlog

from model.card import ROLLING, Card, available, find, load_card
from model.errors import BadSetting, ModelError, UnknownModel
from service import portrait
from service.detecting import DetectRun
from service.documents import Documents
from service.errors import NameTaken, ServiceError, TooManyStreams, UnknownStream
from service.flow import Flow, Listener
from service.flow_specs import live_flow, upload_flow
from service.hub import Viewer
from service.keeping import Keeper
from service.observers import ObserverMaker
from service.options import DetectOptions, StreamSpec
from service.settings import Settings
from service.streams import LiveStream, StreamHost, stop_all
from service.supervisor import Supervisor, WorkerHealth
from service.telemetry import CONTENT_TYPE, Metrics
from service.turns import Turns
from streaming import isolation

__all__ = ["CONTENT_TYPE", "DetectRun", "Health", "LiveStream", "Runtime", "Viewer", "WorkerHealth"]

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
        telemetry: where everything is counted.
        streams: running streams by id.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._metrics = self.telemetry = Metrics()
        self._supervisor = Supervisor(settings, self._metrics.worker_restarts.inc)
        self._streams: dict[str, LiveStream] = {}
        self._names: set[str] = set()
        self._runs: set[DetectRun] = set()
        self._cards: dict[str, Card] = {}
        self._turns = Turns(settings.max_uploads, settings.max_waiting_uploads)
        self._begun_s = time.monotonic()
        self._warming: asyncio.Task[None] | None = None
        self._observers: list[ObserverMaker] = []
        self._queues: list[Callable[[], Sequence[Mapping[str, Any]]]] = []
        self._keeper: Keeper | None = None
        self._closing = False
        self.streams: Mapping[str, LiveStream] = MappingProxyType(self._streams)

    async def __aenter__(self) -> Self:
        """Starts the worker and returns at once; `ready` turns true after its warm-up.

        Raises:
            UnknownModel: a default model is neither in the zoo nor in the folder of models.
            BadWeights: a card of either is broken.
        """
        self._cards = await asyncio.to_thread(_models, self.settings.models_dir)
        self._card(self.settings.model)
        self._card(self.live_model)
        self._supervisor.start((self.settings.model, self.live_model))
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
        await self.stop_streams()
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
        """Cards of the zoo and of the folder of models, the default first."""
        return list(self._cards.values())

    @property
    def live_model(self) -> str:
        """The model of live streams that name none."""
        rolling = f"{self.settings.model}{ROLLING}"
        return self.settings.live_model or (rolling if rolling in self._cards else self.settings.model)

    def health(self) -> Health:
        """How everything is."""
        return Health(
            ready=self.ready,
            worker=self._supervisor.health(),
            streams=len(self._streams),
            uploads_running=self._turns.running,
            uploads_waiting=self._turns.waiting,
            queues=tuple(self._all_queues()),
            uptime_s=round(time.monotonic() - self._begun_s, 3),
        )

    def metrics(self) -> bytes:
        """Prometheus text; its content type is `CONTENT_TYPE`."""
        metrics, queues = self._metrics, self._all_queues()
        metrics.streams.set(len(self._streams))
        metrics.uploads_running.set(self._turns.running)
        metrics.uploads_waiting.set(self._turns.waiting)
        metrics.worker_ready.set(self._supervisor.ready)
        metrics.show_streams({stream.name: portrait.figures(stream) for stream in self._streams.values()})
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

    def count_queues(self, queues: Callable[[], Sequence[Mapping[str, Any]]]) -> None:
        """From now on health and metrics tell of these queues too, in the form of `LiveStream.queue`."""
        self._queues.append(queues)

    def observe_with(self, maker: ObserverMaker) -> None:
        """From now on every stream that starts has an observer of `maker`'s."""
        self._observers.append(maker)

    async def restore(
        self, documents: Documents, last_track_id: Callable[[str], Awaitable[int]] | None = None
    ) -> None:
        """Starts the streams kept in `documents`, in the background, and keeps those to come there.

        Args:
            documents: where streams are kept.
            last_track_id: the greatest id that a track of a stream (by id) is known to have had.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        self._keeper = Keeper(documents)
        for kept in await self._keeper.streams():
            try:
                self._card(kept.spec.model)
                self._claim(kept.name)
            except (ModelError, ServiceError) as error:
                _log.warning("kept stream not restored", stream=kept.id, error=str(error))
                continue
            stream = self._streams[kept.id] = self._new_stream(kept.id, kept.name, kept.spec)
            if last_track_id is not None:
                stream.tracks.next_id = 1 + await last_track_id(kept.id)
            stream.restore()

    async def start_stream(self, spec: StreamSpec) -> LiveStream:
        """Starts a stream; it runs until it is stopped, its source ends or nobody wants it any more.

        One with `spec.keep` runs on whatever happens, and again after a restart. A source at the end of a
        wire may be waited for: the stream then says that it is connecting. Any file may be named here; which
        ones the network may name is decided in `service/addresses.py`.

        Raises:
            NameTaken, TooManyStreams: see `service/errors.py`.
            UnknownModel: no such model in the zoo or the folder of models.
            StreamingError: the source cannot be opened, and why.
        """
        self._card(spec.model)
        stream_id = uuid.uuid4().hex[:12]
        name = spec.name or stream_id
        self._claim(name)
        try:
            stream = self._new_stream(stream_id, name, spec)
            try:
                await stream.start()
            except BaseException:
                await stream.abandon()
                raise
        except BaseException:
            self._names.discard(name)
            raise
        if stream.running:
            self._streams[stream_id] = stream
            self._changed(stream)
        return stream

    async def stop_streams(self) -> None:
        """Stops all streams for a shutdown; those kept come back at the next start."""
        self._closing = True
        await stop_all(list(self._streams.values()), self.settings.shutdown_s / 2)
        if self._keeper is not None:
            await self._keeper.close()

    def detect(self, path: Path, options: DetectOptions) -> DetectRun:
        """A recording on its way; nothing runs before `opened` or the first answer is awaited.

        Raises:
            QueueFull: too many uploads wait.
            UnknownModel: no such model in the zoo or the folder of models.
        """
        card = self._card(options.model)
        self._turns.check()

        def make_flow(run: DetectRun) -> Flow:
            spec = upload_flow(path, options, card, self.settings)
            return Flow(spec, self._supervisor, self._metrics, run)

        run = DetectRun(options, self._turns, make_flow, self._forget_run)
        self._runs.add(run)
        return run

    def _all_queues(self) -> list[Mapping[str, Any]]:
        of_streams = [stream.queue() for stream in self._streams.values()]
        return [*of_streams, *(queue for queues in self._queues for queue in queues())]

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

    def _new_stream(self, stream_id: str, name: str, spec: StreamSpec) -> LiveStream:
        host = StreamHost(
            self.settings,
            self._supervisor,
            self._metrics,
            self._card,
            self._live_flow,
            self._changed,
            self._forget_stream,
        )
        return LiveStream(stream_id, name, spec, host, self._observers)

    def _live_flow(self, stream_id: str, spec: StreamSpec, card: Card, listener: Listener) -> Flow:
        flow_spec = live_flow(stream_id, spec, card, self.settings)
        return Flow(flow_spec, self._supervisor, self._metrics, listener)

    def _changed(self, stream: LiveStream) -> None:
        if stream.spec.keep and self._keeper is not None:
            self._keeper.keep(stream.id, stream.name, stream.spec)

    def _forget_stream(self, stream: LiveStream) -> None:
        self._streams.pop(stream.id, None)
        self._names.discard(stream.name)
        if stream.spec.keep and self._keeper is not None and not self._closing:
            self._keeper.forget(stream.id)

    def _forget_run(self, run: DetectRun) -> None:
        if run in self._runs:
            self._runs.remove(run)
            self._metrics.uploads.labels(run.outcome).inc()


def _models(folder: Path | None) -> dict[str, Card]:
    """Cards of the zoo and of a folder by name, the default first."""
    return {name: load_card(find(name, folder).card) for name in available(folder)}


@contextlib.asynccontextmanager
async def running(settings: Settings, timeout_s: float) -> Any:
    """A runtime that is ready; for scripts and tests."""
    async with Runtime(settings) as runtime:
        await runtime.wait_ready(timeout_s)
        yield runtime
