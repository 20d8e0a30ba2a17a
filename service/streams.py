"""`LiveStream`: a live source with its answers, its viewers and whoever else looks at it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import structlog

from model.card import Card
from model.detections import Detections
from service import portrait
from service.answers import Answer, changes_to_message
from service.channel import Message
from service.errors import (
    BadRequest,
    FrameTooLarge,
    NotAPushStream,
    ServiceError,
    StreamEnded,
    error_message,
    from_wire,
    problem_of,
)
from service.flow import Flow, Listener
from service.frames import check_frame
from service.happenings import Happening
from service.hub import GOING_AWAY, NORMAL, Hub, Viewer
from service.link import Link
from service.observers import Observer, ObserverMaker
from service.options import Policy, StreamSpec, check_fraction, check_view_width
from service.rates import Rate
from service.relay import Relay
from service.settings import Settings
from service.source_messages import EventPicture, Fault, TapMessage
from service.supervisor import Supervisor
from service.telemetry import Metrics
from service.trackbook import TrackBook
from streaming.source import SourceInfo

_log = structlog.get_logger("service.streams")


@dataclass(frozen=True, slots=True)
class StreamHost:
    """What a stream needs of the service it runs in.

    Attributes:
        settings: bounds and times.
        supervisor: of the worker.
        metrics: where it counts.
        card_of: a model's card by name; raises UnknownModel.
        make_flow: a flow of the stream (id, spec, card) for a listener.
        on_change: called when what was asked for changed.
        on_end: called once, when the stream has ended.
    """

    settings: Settings
    supervisor: Supervisor
    metrics: Metrics
    card_of: Callable[[str], Card]
    make_flow: Callable[[str, StreamSpec, Card, Listener], Flow]
    on_change: Callable[[LiveStream], None]
    on_end: Callable[[LiveStream], None]


class LiveStream:
    """A running stream. Made by `Runtime.start_stream`; forgotten by the runtime when it ends.

    Args:
        stream_id: unique.
        name: unique among streams.
        spec: what is asked for.
        host: what it runs in.
        observers: makers of those who look at it.

    Attributes:
        spec: what is asked for now.
        info: what the source is, None before it is there.
        host, card, relay, hub, tracks: what it is made of.
        last: its newest answer.
    """

    def __init__(
        self,
        stream_id: str,
        name: str,
        spec: StreamSpec,
        host: StreamHost,
        observers: Sequence[ObserverMaker] = (),
    ) -> None:
        self.id, self.name, self.spec = stream_id, name, spec
        self.info: SourceInfo | None = None
        self.host = host
        self.card = host.card_of(spec.model)
        self.tracks = TrackBook()
        self.hub = Hub(
            self.host.settings.viewer_queue, self.host.settings.viewer_stall_s, host.metrics, self._view
        )
        self.relay = Relay(self._make_flow, self, linked=spec.linked, kept=spec.keep)
        self.started_s = time.monotonic()
        self.last: Answer | None = None
        self.rate = Rate()
        self._error: Exception | None = None
        self._ended = False
        self._view_width: int | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._observers: tuple[Observer, ...] = tuple(make(self) for make in observers)

    async def start(self) -> None:
        """Starts the source; raises what `Flow.start` raises, and must then be abandoned."""
        await self.relay.start()
        self._begun()

    def restore(self) -> None:
        """Starts in the background, as it ran before; what is wrong shows in its link."""
        self.relay.restore()
        self._begun()

    @property
    def running(self) -> bool:
        """Neither stopped nor at its source's end."""
        return not self._ended

    @property
    def classes(self) -> tuple[str, ...]:
        return self.card.classes

    def hello(self) -> dict[str, Any]:
        """The first message to every viewer, and again when something of it has changed."""
        return portrait.hello(self)

    def status(self) -> dict[str, Any]:
        """The message that comes every second, also when nothing moves."""
        about = portrait.status(self)
        for observer in self._observers:
            about |= observer.status()
        return about

    def queue(self) -> dict[str, Any]:
        """The queue before the network: bounds, depth, age of its oldest step, steps dropped."""
        return portrait.queue(self)

    def describe(self) -> dict[str, Any]:
        """JSON of `GET /streams/{id}`: what `hello` and `status` say, with the source."""
        return portrait.describe(self)

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
        if self.relay.flow is not None:
            self.relay.flow.feed.request_reset(reason)

    async def update(
        self,
        *,
        threshold: float | None = None,
        iou: float | None = None,
        model: str | None = None,
        policy: Policy | None = None,
        track: bool | None = None,
    ) -> None:
        """Changes what is asked for; None leaves it.

        Thresholds count from the next answer on. Another model or policy, or tracking begun or ended, starts
        the source again.

        Raises:
            BadSetting: a threshold is out of its range.
            BadRequest: a pushed stream was asked for what would start its source again.
            UnknownModel: no such model.
            StreamEnded: the stream has ended.
        """
        check_fraction("threshold", threshold)
        check_fraction("iou", iou)
        self._require_running()
        wanted: dict[str, Any] = {
            "threshold": threshold,
            "iou": iou,
            "model": model,
            "policy": policy,
            "track": track,
        }
        spec = replace(self.spec, **{name: value for name, value in wanted.items() if value is not None})
        renews = (spec.model, spec.policy, spec.track) != (self.spec.model, self.spec.policy, self.spec.track)
        if renews and self.spec.pushed:
            raise BadRequest(
                "a stream of pushed events keeps its model, policy and tracking; open another /live"
            )
        card = self.host.card_of(spec.model)
        self.spec, self.card = spec, card
        if self.relay.flow is not None:
            self.relay.flow.update(threshold, iou)
        if renews:
            self._end_tracks()
            await self.relay.renew()
            self.was_reset("changed")
        self.hub.publish(self.hello())
        self.host.on_change(self)

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
        most = self.host.settings.max_frame_bytes
        if len(events_frame) > most:
            raise FrameTooLarge(
                f"found a frame of {len(events_frame)} bytes; at most {most} are allowed. Send fewer events "
                "at a time."
            )
        check_frame(events_frame)
        self._require_running()
        await self.relay.push(events_frame)

    async def stop(self, error: Exception | None = None, *, code: int = NORMAL) -> None:
        """Ends the stream, its source and its viewers; may be called more than once."""
        self._finish(error, code)
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._free(), name=f"stop-{self.id}")
        await asyncio.shield(self._stopping)

    async def abandon(self) -> None:
        """Frees a stream whose start failed, without a word to its viewers."""
        self._ended = True
        for observer in self._observers:
            observer.ended()
        await self._free()

    # for observers, see observers.StreamPort

    def publish(self, message: Message) -> None:
        self.hub.publish(message)

    def happened(self, happening: Happening) -> None:
        self.hub.publish(happening.to_message())
        for observer in self._observers:
            observer.happened(happening)

    def command(self, message: Message) -> None:
        self.relay.command(message)

    # what the relay brings, see relay.RelayListener

    def answered(self, answer: Answer) -> None:
        answer = replace(answer, changes=self.tracks.take(answer.changes))
        self.last = answer
        self.hub.publish(answer.to_message(), "frame")
        if answer.changes:
            self.hub.publish(changes_to_message(answer), "frame")
        for observer in self._observers:
            observer.answered(answer)

    def was_reset(self, reason: str) -> None:
        self._end_tracks()
        self.hub.publish({"type": "reset", "reason": reason})
        for observer in self._observers:
            observer.was_reset(reason)

    def told(self, message: TapMessage) -> None:
        if isinstance(message, EventPicture):
            self.host.metrics.pictures.inc()
            self.hub.publish_picture(message.webp)
        for observer in self._observers:
            observer.told(message)

    def refused(self, fault: Fault) -> None:
        error = from_wire({"error": fault.error, "message": fault.message})
        self.hub.publish(error_message(error, fatal=False))

    def sized(self, info: SourceInfo) -> None:
        self.info = info
        self.hub.publish(self.hello())
        if self._view_width is not None:
            self._view(self._view_width)
        for observer in self._observers:
            observer.sized(info)

    def linked(self, link: Link) -> None:
        if link.state in ("stalled", "lost"):
            self._end_tracks()
        self.hub.publish({"type": "link", **link.to_json()})
        for observer in self._observers:
            observer.linked(link.state, link.detail)

    def ended(self, error: Exception | None) -> None:
        self._finish(error, NORMAL)
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._free(), name=f"stop-{self.id}")

    def next_track_id(self) -> int:
        return self.tracks.next_id

    def _begun(self) -> None:
        self._ticker = asyncio.create_task(self._tick(), name=f"status-{self.id}")
        _log.info("stream started", stream=self.id, name=self.name, source=self.spec.source)

    def _make_flow(self, listener: Listener) -> Flow:
        return self.host.make_flow(self.id, self.spec, self.card, listener)

    def _end_tracks(self) -> None:
        """Tells the end of every track, as an answer without boxes to those who keep account of them."""
        ended = self.tracks.end_all()
        if not ended or self.last is None:
            return
        nothing = Detections.empty(self.last.detections.classes)
        last = replace(self.last, detections=nothing, track_ids=None, events=0, changes=ended)
        self.hub.publish(changes_to_message(last), "frame")
        for observer in self._observers:
            observer.answered(last)

    def _view(self, width: int | None) -> None:
        self._view_width = width
        self.relay.command({"type": "view", "width": width})

    def _finish(self, error: Exception | None, code: int) -> None:
        if self._ended:
            return
        self._end_tracks()
        self._ended, self._error = True, error
        self.hub.publish(self.status())
        if error is not None:
            self.hub.publish(error_message(error, fatal=True))
            code = problem_of(error).ws_code
        self.hub.close(code)
        _log.info("stream ended", stream=self.id, name=self.name, error=None if error is None else str(error))
        for observer in self._observers:
            observer.ended()
        self.host.on_end(self)

    async def _free(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.wait([self._ticker], timeout=1.0)
        await self.relay.stop()

    @asynccontextmanager
    async def _subscription(self, view_width: int | None) -> AsyncIterator[Viewer]:
        self._require_running()
        with self.hub.viewer(self.hello(), view_width) as viewer:
            yield viewer

    async def _tick(self) -> None:
        """Sends the status and watches the idle times, once every `status_s`."""
        while True:
            await asyncio.sleep(self.host.settings.status_s)
            self.rate.note(self.relay.counts.events)
            self.relay.tick()
            for observer in self._observers:
                observer.tick()
            self.hub.publish(self.status())
            reason = self._idle_reason()
            if reason is not None:
                self.ended(reason)  # frees in a task of its own, which ends this one

    def _idle_reason(self) -> ServiceError | None:
        now_s, settings, flow = time.monotonic(), self.host.settings, self.relay.flow
        if self.spec.keep:
            return None
        silent_s = 0.0 if flow is None or self.spec.linked else now_s - flow.last_message_s
        if silent_s > settings.stream_silent_s:
            return StreamEnded(f"the source gave nothing for {settings.stream_silent_s:g} s")
        watched_s = self.hub.last_viewer_s if not len(self.hub) else now_s
        if 0 < settings.stream_unwatched_s < now_s - watched_s:
            return StreamEnded(f"nobody watched for {settings.stream_unwatched_s:g} s")
        return None

    def _require_running(self) -> None:
        if self._ended:
            why = f" ({self._error})" if self._error else ""
            raise StreamEnded(f"stream {self.name} has ended{why}; start it again")


async def stop_all(streams: list[LiveStream], timeout_s: float) -> None:
    """Stops streams side by side, for a shutdown of the service."""
    if streams:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(stream.stop(code=GOING_AWAY) for stream in streams))
