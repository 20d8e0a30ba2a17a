"""`LiveStream`: a live source with its answers and its viewers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from typing import Any

import structlog

from model.card import Card
from service.answers import Answer
from service.errors import (
    FrameTooLarge,
    NotAPushStream,
    ServiceError,
    StreamEnded,
    error_message,
    from_wire,
    problem_of,
)
from service.flow import Flow, FlowSpec
from service.frames import check_frame
from service.hub import GOING_AWAY, NORMAL, Hub, Viewer
from service.options import StreamSpec, check_fraction, check_view_width
from service.settings import Settings
from service.source_messages import EventPicture, Fault, TapMessage
from service.supervisor import Supervisor
from service.telemetry import Metrics
from streaming.source import SourceInfo

PROTOCOL = 1

_log = structlog.get_logger("service.streams")


class LiveStream:
    """A running stream. Made by `Runtime.start_stream`; forgotten by the runtime when it ends.

    Args:
        stream_id: unique.
        name: unique among running streams.
        spec: what was asked for.
        flow_spec: what it runs as.
        settings: bounds and times.
        supervisor: of the worker.
        metrics: where it counts.
        on_end: called once when the stream has ended.

    Attributes:
        info: what the source is, known after `start`.
    """

    info: SourceInfo

    def __init__(
        self,
        stream_id: str,
        name: str,
        spec: StreamSpec,
        flow_spec: FlowSpec,
        settings: Settings,
        supervisor: Supervisor,
        metrics: Metrics,
        on_end: Callable[[LiveStream], None],
    ) -> None:
        self.id, self.name, self.spec = stream_id, name, spec
        self._card: Card = flow_spec.card
        self._plan = flow_spec.plan
        self._settings, self._supervisor, self._on_end = settings, supervisor, on_end
        self._metrics = metrics
        self._flow = Flow(flow_spec, supervisor, metrics, self)
        self._hub = Hub(settings.viewer_queue, settings.viewer_stall_s, metrics, self._view)
        self._started_s = time.monotonic()
        self._last: Answer | None = None
        self._rate = _Rate()
        self._error: Exception | None = None
        self._ended = False
        self._ticker: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts the source; raises what `Flow.start` raises, and must then be abandoned."""
        self.info = await self._flow.start()
        self._ticker = asyncio.create_task(self._tick(), name=f"status-{self.id}")
        _log.info("stream started", stream=self.id, name=self.name, format=self.info.format)

    @property
    def running(self) -> bool:
        """Neither stopped nor at its source's end."""
        return not self._ended

    def hello(self) -> dict[str, Any]:
        """The first message to every viewer."""
        return {
            "type": "hello",
            "protocol": PROTOCOL,
            "stream": self.id,
            "name": self.name,
            "model": self._card.name,
            "classes": list(self._card.classes),
            "resolution": [self.info.width, self.info.height],
            "step_us": self._card.step_us,
            "steps": self._card.steps,
            "stride": self._plan.stride,
            "policy": self.spec.policy,
            **self._thresholds(),
        }

    def status(self) -> dict[str, Any]:
        """The message that comes every second, also when nothing moves."""
        feed = self._flow.feed
        return {
            "type": "status",
            "state": "ended" if self._ended else "running",
            "worker": self._supervisor.health().state,
            "device": self._supervisor.health().device,
            "t_us": self._flow.newest_us,
            "answers": self._flow.answers,
            "events": feed.events_in,
            "steps_in": feed.steps_in,
            "events_per_s": round(self._rate.per_s, 1),
            "behind_ms": 0.0 if self._last is None else round(self._last.behind_ms, 3),
            "queue": self.queue(),
            "dropped": asdict(feed.dropped),
            "viewers": len(self._hub),
            **self._thresholds(),
        }

    def queue(self) -> dict[str, Any]:
        """The queue before the network: bounds, depth, age of its oldest step, steps dropped."""
        feed = self._flow.feed
        return {
            "name": feed.name,
            "policy": feed.policy,
            "bound": feed.bound,
            "depth": len(feed),
            "oldest_ms": round(feed.oldest_ms(), 3),
            "dropped": feed.dropped.steps,
        }

    def describe(self) -> dict[str, Any]:
        """JSON of `GET /streams/{id}`: what `hello` and `status` say, with the source."""
        about = {**self.hello(), **self.status()}
        del about["type"], about["stream"]
        return {
            "id": self.id,
            "source": self.spec.source,
            "format": self.info.format,
            **about,
            "pid": self._flow.source.pid,
            "age_s": round(time.monotonic() - self._started_s, 3),
            "last": None if self._last is None else self._last.to_message(),
        }

    def subscribe(self, view_width: int | None = None) -> AbstractAsyncContextManager[Viewer]:
        """A viewer for as long as the block lasts.

        Args:
            view_width: columns of the event pictures, 16..1920; None for no pictures.

        Raises:
            BadSetting: the width is out of range.
            StreamEnded: the stream has ended.
        """
        check_view_width(view_width)
        return self._subscription(view_width)

    async def reset(self, reason: str = "requested") -> None:
        """Forgets the state before the next step; viewers get a `reset` message when it is answered."""
        self._require_running()
        self._flow.feed.request_reset(reason)

    async def update(self, *, threshold: float | None = None, iou: float | None = None) -> None:
        """New thresholds from the next answer on; None leaves one. Raises BadSetting, StreamEnded."""
        check_fraction("threshold", threshold)
        check_fraction("iou", iou)
        self._require_running()
        self._flow.update(threshold, iou)

    async def push(self, events_frame: bytes) -> None:
        """Hands a frame of events (`service/frames.py`) to a "push:" stream; waits while it is behind.

        What only the decoded events show (an event outside the sensor, say) comes to the viewers as an
        `error` message that is not fatal.

        Raises:
            NotAPushStream: the stream has its own source.
            FrameTooLarge: longer than `max_frame_bytes`.
            BadFrame: the header is wrong.
            StreamEnded: the stream has ended.
        """
        if not self.spec.pushed:
            raise NotAPushStream(f"stream {self.name} plays {self.spec.source}; it takes no events")
        if len(events_frame) > self._settings.max_frame_bytes:
            raise FrameTooLarge(
                f"found a frame of {len(events_frame)} bytes; at most {self._settings.max_frame_bytes} are "
                "allowed. Send fewer events at a time."
            )
        check_frame(events_frame)
        self._require_running()
        await self._flow.source.push(events_frame)

    async def stop(self, error: Exception | None = None, *, code: int = NORMAL) -> None:
        """Ends the stream, its source and its viewers; may be called more than once."""
        self._finish(error, code)
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._free(), name=f"stop-{self.id}")
        await asyncio.shield(self._stopping)

    async def abandon(self) -> None:
        """Frees a stream whose start failed, without a word to anyone."""
        self._ended = True
        await self._free()

    # what the flow brings, see flow.Listener

    def answered(self, answer: Answer) -> None:
        self._last = answer
        self._hub.publish(answer.to_message(), "frame")

    def was_reset(self, reason: str) -> None:
        self._hub.publish({"type": "reset", "reason": reason})

    def told(self, message: TapMessage) -> None:
        if isinstance(message, EventPicture):
            self._metrics.pictures.inc()
            self._hub.publish_picture(message.webp)

    def refused(self, fault: Fault) -> None:
        error = from_wire({"error": fault.error, "message": fault.message})
        self._hub.publish(error_message(error, fatal=False))

    def ended(self, error: Exception | None) -> None:
        self._finish(error, NORMAL)
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._free(), name=f"stop-{self.id}")

    def _view(self, width: int | None) -> None:
        self._flow.source.command({"type": "view", "width": width})

    def _finish(self, error: Exception | None, code: int) -> None:
        if self._ended:
            return
        self._ended, self._error = True, error
        self._hub.publish(self.status())
        if error is not None:
            self._hub.publish(error_message(error, fatal=True))
            code = problem_of(error).ws_code
        self._hub.close(code)
        _log.info("stream ended", stream=self.id, name=self.name, error=None if error is None else str(error))
        self._on_end(self)

    async def _free(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.wait([self._ticker], timeout=1.0)
        await self._flow.stop()

    @asynccontextmanager
    async def _subscription(self, view_width: int | None) -> AsyncIterator[Viewer]:
        self._require_running()
        with self._hub.viewer(self.hello(), view_width) as viewer:
            yield viewer

    async def _tick(self) -> None:
        """Sends the status and watches the idle times, once every `status_s`."""
        while True:
            await asyncio.sleep(self._settings.status_s)
            self._rate.note(self._flow.feed.events_in)
            self._hub.publish(self.status())
            reason = self._idle_reason()
            if reason is not None:
                self.ended(reason)  # frees in a task of its own, which ends this one

    def _idle_reason(self) -> ServiceError | None:
        now_s, settings = time.monotonic(), self._settings
        if now_s - self._flow.last_message_s > settings.stream_silent_s:
            return StreamEnded(f"the source gave nothing for {settings.stream_silent_s:g} s")
        watched_s = self._hub.last_viewer_s if not len(self._hub) else now_s
        if 0 < settings.stream_unwatched_s < now_s - watched_s:
            return StreamEnded(f"nobody watched for {settings.stream_unwatched_s:g} s")
        return None

    def _thresholds(self) -> dict[str, float]:
        chosen = self._flow.options
        defaults = {"threshold": self._card.threshold, "iou": self._card.iou}
        return {name: value if chosen[name] is None else chosen[name] for name, value in defaults.items()}

    def _require_running(self) -> None:
        if self._ended:
            why = f" ({self._error})" if self._error else ""
            raise StreamEnded(f"stream {self.name} has ended{why}; start it again")


class _Rate:
    """Events per second between the last two looks."""

    def __init__(self) -> None:
        self.per_s = 0.0
        self._count, self._at_s = 0, time.monotonic()

    def note(self, count: int) -> None:
        now_s = time.monotonic()
        self.per_s = (count - self._count) / max(1e-3, now_s - self._at_s)
        self._count, self._at_s = count, now_s


async def stop_all(streams: list[LiveStream], timeout_s: float) -> None:
    """Stops streams side by side, for a shutdown of the service."""
    if streams:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(stream.stop(code=GOING_AWAY) for stream in streams))
