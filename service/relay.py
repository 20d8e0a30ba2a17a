"""`Relay`: one live stream's flows, one after another: a source that goes away is begun anew when it is back.

::

    connecting -> live <-> stalled
         ^          |
         |          v
         +-- wait - lost

What was counted goes on from flow to flow: answers keep their numbers, and nothing that came in is forgotten.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import structlog

from model.errors import ModelError
from service.answers import Answer
from service.channel import Message
from service.counts import Counts
from service.errors import DeadlineExceeded, ServiceError, StreamEnded, WorkerDied
from service.flow import Flow, Listener
from service.link import HUNG_S, STALLED_S, Backoff, Link
from service.source_messages import Fault, TapMessage
from streaming.errors import BadSource, ReaderDied, SizeUnknown, SourceLost, StreamingError
from streaming.source import SourceInfo

REST_S = 0.25
"""Without a step for this long, what was seen of a window is answered."""
_PASSING = (SourceLost, ReaderDied, WorkerDied, DeadlineExceeded, OSError)
"""What mends itself, of any source."""
_LASTING = (BadSource, SizeUnknown, ModelError)
"""What does not, even at the other end of a wire."""
_KNOWN = (StreamingError, ServiceError, ModelError, OSError)

_log = structlog.get_logger("service.relay")


class RelayListener(Protocol):
    """Who takes what a relay brings; every call comes on the event loop."""

    def answered(self, answer: Answer) -> None: ...

    def was_reset(self, reason: str) -> None: ...

    def told(self, message: TapMessage) -> None: ...

    def refused(self, fault: Fault) -> None: ...

    def sized(self, info: SourceInfo) -> None: ...

    def linked(self, link: Link) -> None: ...

    def ended(self, error: Exception | None) -> None: ...

    def next_track_id(self) -> int: ...


class Relay:
    """Runs a stream's flows.

    Args:
        make_flow: makes the flow for the stream as it is asked for now.
        listener: who takes what they bring.
        linked: the source is a camera or a peer, which comes and goes.
        kept: the stream goes on whatever happens, until it is stopped.

    Attributes:
        flow: the one that runs, None between two.
        link: how the stream stands to its source.
        answers: given so far, by all flows.
    """

    def __init__(
        self, make_flow: Callable[[Listener], Flow], listener: RelayListener, *, linked: bool, kept: bool
    ) -> None:
        self.flow: Flow | None = None
        self.link = Link("connecting")
        self.answers = 0
        self._make_flow, self._listener = make_flow, listener
        self._linked, self._kept = linked, kept
        self._backoff = Backoff()
        self._turn: _Turn | None = None
        self._again: asyncio.Task[None] | None = None
        self._closed = False
        self._past = Counts()
        self._resting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts the first flow.

        Raises:
            StreamingError, DeadlineExceeded, OSError: as `Flow.start`; nothing runs then.
        """
        await self._begin()
        self._resting = asyncio.create_task(self._watch_rests(), name="rests")

    def restore(self) -> None:
        """Starts in the background; what is wrong with the source shows in `link`."""
        self._resting = asyncio.create_task(self._watch_rests(), name="rests")
        self._again = asyncio.create_task(self._begin_after(0.0, None), name="link")

    async def renew(self) -> None:
        """Ends the flow and begins another, because the stream is asked for otherwise now."""
        flow = self._retire()
        if self._again is not None:
            self._again.cancel()
        self._again = asyncio.create_task(self._begin_after(0.0, flow), name="link")
        await asyncio.wait([self._again])

    async def stop(self) -> None:
        """Ends everything at once."""
        self._closed = True
        for task in (self._again, self._resting):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
                await asyncio.wait([task], timeout=1.0)
        flow = self._retire()
        if flow is not None:
            await flow.stop()

    def tick(self) -> None:
        """Looks whether the source still says something; called about once a second."""
        flow = self.flow
        if flow is None or not (self._linked or self._kept):
            return
        now_s = time.monotonic()
        if now_s - flow.last_message_s > HUNG_S:
            self._lose(SourceLost(f"the source said nothing for {HUNG_S:g} s"))
        elif flow.info is not None:
            quiet = now_s - flow.last_event_s > STALLED_S
            if quiet and self.link.state == "live":
                self._show(Link("stalled", f"no events for {STALLED_S:g} s"))
            elif not quiet and self.link.state == "stalled":
                self._show(Link("live"))

    def command(self, message: Message) -> None:
        """To the taps of the source that runs; lost without one."""
        if self.flow is not None:
            self.flow.source.command(message)

    async def push(self, frame: bytes) -> None:
        """A frame of events, to the source of a pushed stream."""
        if self.flow is None:
            raise StreamEnded("the stream has ended; open a new one")
        await self.flow.source.push(frame)

    @property
    def info(self) -> SourceInfo | None:
        return None if self.flow is None else self.flow.info

    @property
    def counts(self) -> Counts:
        """Steps and events that came, and those given up, by all flows."""
        return self._past if self.flow is None else self._past.with_feed(self.flow.feed)

    # what a flow brings, see `_Turn`

    def answered(self, answer: Answer) -> None:
        dropped = self.counts.dropped
        self._listener.answered(replace(answer, seq=self.answers, dropped=dropped))
        self.answers += 1

    def opened(self, info: SourceInfo) -> None:
        self._backoff.connected()
        self._listener.sized(info)
        self._show(Link("live"))

    def waits(self, what: str) -> None:
        if self.link.state != "connecting" or self.link.detail != what:
            self._show(Link("connecting", what, self._backoff.attempts))

    def flow_ended(self, error: Exception | None) -> None:
        if self._recovers(error):
            self._lose(error or SourceLost("the source ended"))
        else:
            self._finish(error)

    def _recovers(self, error: Exception | None) -> bool:
        if self._linked:
            return self._kept or not isinstance(error, _LASTING)
        return self._kept and error is not None

    async def _begin(self) -> None:
        turn = self._turn = _Turn(self)
        if self.link.state != "connecting":
            self._show(Link("connecting", self.link.detail, self._backoff.attempts))
        flow = self.flow = self._make_flow(turn)
        try:
            await flow.start()
        except BaseException:
            if self._turn is turn:
                self._retire()
            await flow.stop()
            raise

    async def _begin_after(self, wait_s: float, before: Flow | None) -> None:
        if before is not None:
            await before.stop()
        await asyncio.sleep(wait_s)
        try:
            await self._begin()
        except _KNOWN as error:
            if self._closed:
                return
            if self._recovers(error):
                self._lose(error)
            else:
                self._finish(error)

    def _lose(self, error: Exception) -> None:
        """The source is gone: begin anew after a while."""
        flow = self._retire()
        if self._closed:
            return
        wait_s = self._backoff.next_s(hopeless=not (self._linked or isinstance(error, _PASSING)))
        self._show(Link("lost", str(error), self._backoff.attempts))
        _log.info("source lost", error=str(error), again_in_s=wait_s)
        self._again = asyncio.create_task(self._begin_after(wait_s, flow), name="link")

    def _finish(self, error: Exception | None) -> None:
        flow = self._retire()
        self._closed = True
        if flow is not None:
            self._again = asyncio.create_task(flow.stop(), name="flow-end")
        self._listener.ended(error)

    def _retire(self) -> Flow | None:
        """Takes the running flow out, with what it counted; nothing it says is heard any more."""
        flow, self.flow, self._turn = self.flow, None, None
        if flow is not None:
            flow.feed.give_up_all()
            self._past = self._past.with_feed(flow.feed)
        return flow

    def _show(self, link: Link) -> None:
        self.link = link
        self._listener.linked(link)

    async def _watch_rests(self) -> None:
        while True:
            await asyncio.sleep(REST_S)
            if self.flow is not None and time.monotonic() - self.flow.last_event_s > REST_S:
                self.flow.rest()

    def speaks(self, turn: _Turn) -> RelayListener | None:
        """The listener, for the flow that runs now."""
        return self._listener if turn is self._turn and not self._closed else None


class _Turn:
    """One flow's listener: what an ended flow still says goes nowhere."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def answered(self, answer: Answer) -> None:
        if self._relay.speaks(self):
            self._relay.answered(answer)

    def was_reset(self, reason: str) -> None:
        if listener := self._relay.speaks(self):
            listener.was_reset(reason)

    def told(self, message: TapMessage) -> None:
        if listener := self._relay.speaks(self):
            listener.told(message)

    def refused(self, fault: Fault) -> None:
        if listener := self._relay.speaks(self):
            listener.refused(fault)

    def waiting(self, what: str) -> None:
        if self._relay.speaks(self):
            self._relay.waits(what)

    def sized(self, info: SourceInfo) -> None:
        if self._relay.speaks(self):
            self._relay.opened(info)

    def ended(self, error: Exception | None) -> None:
        if self._relay.speaks(self):
            self._relay.flow_ended(error)

    def next_track_id(self) -> int:
        listener = self._relay.speaks(self)
        return 1 if listener is None else listener.next_track_id()
