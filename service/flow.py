"""`Flow`: one source's steps to the worker and its answers back. Uploads and live streams are both flows."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, replace
from typing import Any, Protocol

from service.answers import Answer, Dropped
from service.channel import Message
from service.errors import DeadlineExceeded, WorkerDied, from_wire
from service.feed import Entry, Feed
from service.flow_specs import FlowSpec
from service.source_messages import Fault, LeftOut, Lost, Produced, TapMessage, Waiting
from service.source_process import SourceProcess
from service.supervisor import Supervisor
from service.telemetry import Metrics
from service.windows import Resume
from service.wire import answer_from_wire, entry_to_wire, ring_to_wire
from streaming.errors import SourceLost
from streaming.source import SourceInfo


class Listener(Protocol):
    """Who takes what a flow brings; every call comes on the event loop."""

    def answered(self, answer: Answer) -> None: ...

    def was_reset(self, reason: str) -> None: ...

    def told(self, message: TapMessage) -> None: ...

    def refused(self, fault: Fault) -> None: ...

    def waiting(self, what: str) -> None: ...

    def sized(self, info: SourceInfo) -> None: ...

    def ended(self, error: Exception | None) -> None: ...

    def next_track_id(self) -> int: ...


class Flow:
    """Source, queue and worker's stream of one upload or live stream.

    Args:
        spec: what it is made of.
        supervisor: of the worker.
        metrics: where it counts.
        listener: who takes the answers.

    Attributes:
        id: unique among flows.
        progress: how much of a recording is answered, 0..1.
        newest_us: time of the newest event received, None before the first.
        last_message_s: `time.monotonic()` at which the source last said something.
        last_event_s: likewise, at which events last came.
        info: what the source is, None before it is there.
        left_out: what it left out of what came since it was opened, by reason.
    """

    def __init__(self, spec: FlowSpec, supervisor: Supervisor, metrics: Metrics, listener: Listener) -> None:
        self.id = spec.id
        self.progress = 0.0
        self.newest_us: int | None = None
        self.last_message_s = self.last_event_s = time.monotonic()
        self.info: SourceInfo | None = None
        self.answers = 0
        self.left_out: dict[str, int] = {}
        self._spec, self._supervisor, self._metrics, self._listener = spec, supervisor, metrics, listener
        self._source = SourceProcess(
            spec.request,
            spec.limits,
            spec.slots,
            live=spec.live,
            on_message=self._source_said,
            on_end=self._source_ended,
        )
        self.feed = Feed(
            spec.id,
            spec.plan,
            spec.request.policy,
            spec.queue_steps,
            in_flight=spec.in_flight,
            keep=not spec.live,
            release=self._source.release,
        )
        self._first_word: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._options = dict(spec.options)
        self._resume = Resume()
        self._asked = self._opened = self._flushing = self._ended = self._held = self._resting = False
        self._source_done = False
        self._source_error: Exception | None = None
        self._last: Entry | None = None
        self._redone = 0
        self._reported = Dropped()
        self._impatience: asyncio.TimerHandle | None = None

    @property
    def source(self) -> SourceProcess:
        """The source's child."""
        return self._source

    async def start(self) -> SourceInfo | None:
        """Starts the source; what it is, or None where the other side of a linked one is waited for.

        Raises:
            StreamingError: the source cannot be opened, and why.
            DeadlineExceeded: it said nothing for `open_s`.
            OSError: no shared memory or process is to be had.
        """
        await self._source.start()
        try:
            async with asyncio.timeout(self._spec.open_s):
                await self._first_word
        except TimeoutError:
            raise DeadlineExceeded(
                f"the source did not open within {self._spec.open_s:g} s; check that it is reachable"
            ) from None
        return self.info

    async def stop(self) -> None:
        """Ends source and worker's stream at once; nothing more is heard of the flow."""
        self._ended = True
        self._forget_impatience()
        self._supervisor.detach(self)
        self._first_word.cancel()
        self._report_drops()
        await self._source.stop()

    def hold(self, held: bool) -> None:
        """While held nothing more is sent to the worker, so that the source waits too."""
        self._held = held
        if not held:
            self._pump()

    def rest(self) -> None:
        """Nothing came for a while: what was seen of a window is answered, and the next step begins anew."""
        if self._opened and not (self._flushing or self._resting) and self.feed.idle and self.feed.unanswered:
            self._resting = True
            self._supervisor.send({"type": "flush", "stream": self.id})

    def update(self, threshold: float | None, iou: float | None) -> None:
        """New thresholds, from the next answer on."""
        changes = {"threshold": threshold, "iou": iou}
        self._options |= {name: value for name, value in changes.items() if value is not None}
        self._supervisor.send({"type": "update", "stream": self.id, **changes})

    @property
    def options(self) -> dict[str, Any]:
        """`threshold`, `iou` and `stride` as they are now; None means the card's."""
        return self._options

    # the worker, see supervisor.Client

    def worker_said(self, message: Message) -> None:
        if self._ended:
            return
        kind = message["type"]
        if kind == "opened":
            self._opened = True
            self._pump()
        elif kind == "done":
            self._step_done(message)
        elif kind == "flushed":
            self._deliver(message["answer"])
            self.feed.finish()
            if self._resting:
                self._rested()
            else:
                self._end(self._source_error)
        elif kind == "failed":
            self._end(from_wire({"error": message["error"], "message": message["message"]}))

    def worker_lost(self) -> None:
        asked, self._asked = self._asked, False
        self._opened = self._flushing = self._resting = False
        if self._ended:
            return
        self._await_worker()
        if self._spec.live:
            self.feed.forget_sent("worker_restarted")
            self._resume = Resume()
            self._report_drops()
            return
        self._redone += asked
        if self._redone > self._spec.redo:
            self._end(
                WorkerDied(
                    f"the inference worker died {self._redone} times on this recording; try again later, "
                    "and report it if that does not help"
                )
            )
            return
        self._resume = self.feed.rewind()

    def worker_back(self) -> None:
        assert self.info is not None, "attached once the source is there"
        self._forget_impatience()
        self._asked = True
        self._supervisor.send(
            {
                "type": "open",
                "stream": self.id,
                "model": self._spec.card.name,
                "options": self._options,
                "size": [self.info.width, self.info.height],
                "next_track_id": self._listener.next_track_id(),
                "ring": ring_to_wire(self._source.ring),
                "resume": asdict(self._resume),
            }
        )

    # the source

    def _source_said(self, message: object) -> None:
        if self._ended:
            return
        self.last_message_s = time.monotonic()
        if isinstance(message, Produced):
            self._step_came(message)
        elif isinstance(message, Lost):
            self.feed.lost(message.steps, message.events)
            self._count_in(message.steps, message.events)
        elif isinstance(message, TapMessage):
            self._listener.told(message)
        elif isinstance(message, Fault):
            self._listener.refused(message)
        elif isinstance(message, LeftOut):
            self.left_out = message.counters
        elif isinstance(message, Waiting):
            self._said()
            self._listener.waiting(message.what)
        elif isinstance(message, SourceInfo) and self.info is None:
            self._source_opened(message)

    def _source_opened(self, info: SourceInfo) -> None:
        self.info = info
        self._said()
        self._listener.sized(info)
        self._supervisor.attach(self)
        self._await_worker()
        if self._supervisor.ready:
            self.worker_back()

    def _said(self) -> None:
        if not self._first_word.done():
            self._first_word.set_result(None)

    def _source_ended(self, error: Exception | None) -> None:
        self._source_done, self._source_error = True, error
        if not self._first_word.done():
            self._first_word.set_exception(error or SourceLost("the source was stopped before it opened"))
        elif self.info is None and not self._ended:
            self._end(error or SourceLost("the source was stopped before it was there"))
        elif not self._ended:
            self._pump()

    def _step_came(self, produced: Produced) -> None:
        self.last_event_s = time.monotonic()
        message = produced.message
        newest_us = message.newest_us
        self.newest_us = newest_us if message.reset else max(newest_us, self.newest_us or newest_us)
        entry = Entry(
            message.slot,
            message.t_us,
            message.events,
            newest_us,
            None if message.reset == "start" else message.reset,
            produced.ready_s,
            produced.arrive_ms,
            progress=produced.progress,
            clock=produced.clock,
        )
        self.feed.offer(entry)
        self._count_in(1, message.events)
        self._pump()

    def _count_in(self, steps: int, events: int) -> None:
        self._metrics.steps.labels(self._spec.kind).inc(steps)
        self._metrics.events.labels(self._spec.kind).inc(events)
        self._report_drops()

    def _report_drops(self) -> None:
        now, before = self.feed.dropped, self._reported
        self._metrics.dropped(self._spec.kind, now.steps - before.steps, now.events - before.events)
        self._reported = now

    def _pump(self) -> None:
        """Sends what may be sent; at the source's end, asks for the last answer."""
        if not self._opened or self._held or self._ended or self._resting:
            return
        while (entry := self.feed.take()) is not None:
            self._supervisor.send({"type": "step", "stream": self.id, **entry_to_wire(entry)})
        if self._source_done and self.feed.idle and not self._flushing:
            self._flushing = True
            self._supervisor.send({"type": "flush", "stream": self.id})

    def _rested(self) -> None:
        self._resting = False
        self.feed.begin_anew()
        self._pump()

    def _step_done(self, message: Message) -> None:
        entry = self.feed.done(message["serial"], message["count"], message["answered"])
        self._deliver(message["early"])
        if entry.reset is not None:
            self._listener.was_reset(entry.reset)
        self._last = entry
        self.progress = entry.progress or self.progress
        self._deliver(message["due"])
        self._pump()

    def _deliver(self, wire: dict[str, Any] | None) -> None:
        answer = answer_from_wire(wire, self._spec.card.classes)
        if answer is None or self._last is None:
            return
        last = self._last
        latency = replace(
            answer.latency_ms,
            arrive=last.arrive_ms,
            total=(time.monotonic() - last.ready_s) * 1e3 + (last.arrive_ms or 0.0),
        )
        newest_us = last.newest_us if self.newest_us is None else self.newest_us
        complete = replace(
            answer,
            seq=self.answers,
            latency_ms=latency,
            behind_ms=max(0.0, (newest_us - last.newest_us) / 1e3),
            dropped=self.feed.dropped,
            clock=last.clock,
        )
        self.answers += 1
        self._metrics.answered(self._spec.kind, complete)
        self._listener.answered(complete)

    def _end(self, error: Exception | None) -> None:
        if self._ended:
            return
        self._ended = True
        self.progress = 1.0 if error is None else self.progress
        self._forget_impatience()
        self._supervisor.detach(self)
        self._listener.ended(error)

    def _await_worker(self) -> None:
        self._forget_impatience()
        loop = asyncio.get_running_loop()
        self._impatience = loop.call_later(self._spec.patience_s, self._give_up)

    def _give_up(self) -> None:
        self._end(
            WorkerDied(
                f"no inference worker for {self._spec.patience_s:g} s; try again later, "
                "and look at /health/ready for the reason"
            )
        )

    def _forget_impatience(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None
