"""What runs in the child process of a live source: events in, steps out, and whatever taps make of them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Self

from service.channel import Channel, ChannelClosed, Message
from service.errors import BadFrame
from service.frames import decode_frame
from service.source_messages import Beat, Fault, LeftOut, SourceRequest, Waiting
from service.sources import Emitter
from service.taps import TAPS, Tap
from streaming.errors import BadSource
from streaming.events import Events
from streaming.filters.chain import Chain
from streaming.filters.uri import split_filters
from streaming.live.complaining import Complaining
from streaming.live.linked import Counting, Linked
from streaming.outlet import Outlet
from streaming.ring import RingWriter
from streaming.source import Source, SourceInfo
from streaming.sources import open_source

PUSH_FORMAT = "push"
BEAT_S = 0.5
LEDGER_S = 1.0


def run_live(outlet: Outlet, request: SourceRequest, writer: RingWriter, commands: socket.socket) -> None:
    """Runs a simulated, replayed or camera source until it ends or the API is gone."""
    uri, filters = split_filters(request.source)
    source = open_source(uri, width=request.width, height=request.height)
    if isinstance(source, Linked):
        source.on_wait = lambda what: outlet.send(Waiting(what))
    if isinstance(source, Complaining):
        source.on_fault = lambda error: outlet.send(Fault(type(error).__name__, str(error)))
    with source:
        outlet.send(source.info)
        session = _Session(outlet, request, writer, source.info)
        threading.Thread(target=_obey, args=(Channel(commands), session.taps), daemon=True).start()
        chain = Chain.of(filters, source.info.width, source.info.height)
        ledger = _Ledger(outlet, source)
        with session:
            for events in source.packets():
                session.take(chain(events), event_clock_s=_event_clock_s(source))
                ledger.tell()
            session.finish()


def run_pushed(outlet: Outlet, request: SourceRequest, writer: RingWriter, commands: socket.socket) -> None:
    """Steps the events that a client pushes, until the API says that there are no more."""
    if request.width is None or request.height is None:
        raise BadSource("a stream of pushed events needs the sensor's width and height")
    info = SourceInfo(PUSH_FORMAT, request.width, request.height, live=True)
    outlet.send(info)
    session = _Session(outlet, request, writer, info)
    with session:
        for frame in _frames(Channel(commands), session.taps):
            try:
                events = decode_frame(frame, info.width, info.height)
            except BadFrame as error:
                outlet.send(Fault(type(error).__name__, str(error)))
                continue
            session.take(events, event_clock_s=None)
        session.finish()


class _Session:
    """Where a source's packets go; its taps are closed however the source ends."""

    def __init__(self, outlet: Outlet, request: SourceRequest, writer: RingWriter, info: SourceInfo) -> None:
        self._outlet = outlet
        self._emitter = Emitter(outlet, writer, info, request)
        self.taps = tuple(make(outlet, info, request) for make in TAPS)
        self._beat_s = time.monotonic()

    def take(self, events: Events, *, event_clock_s: float | None) -> None:
        arrived_s = time.monotonic()
        if len(events):
            self._emitter.push(events, event_clock_s=event_clock_s, arrived_s=arrived_s)
        elif arrived_s - self._beat_s >= BEAT_S:
            self._beat_s = arrived_s
            self._outlet.send(Beat())
        for tap in self.taps:
            tap.add(events)

    def finish(self) -> None:
        self._emitter.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for tap in self.taps:
            tap.close()


class _Ledger:
    """Tells what a source leaves out, at most once a second and only where there is news."""

    def __init__(self, outlet: Outlet, source: Source) -> None:
        self._outlet, self._source = outlet, source
        self._told: dict[str, int] = {}
        self._due_s = time.monotonic()

    def tell(self) -> None:
        now_s = time.monotonic()
        if now_s < self._due_s or not isinstance(self._source, Counting):
            return
        self._due_s = now_s + LEDGER_S
        found = dict(self._source.counters)
        if found != self._told:
            self._told = found
            self._outlet.send(LeftOut(found))


def _event_clock_s(source: Source) -> float | None:
    """`time.monotonic()` at event time 0, where the source plays events at the speed of the clock."""
    clock: float | None = getattr(source, "event_clock_s", None)
    return clock


def _obey(commands: Channel, taps: Sequence[Tap]) -> None:
    """Takes what the API asks for while the source runs; ends with the channel."""
    for _ in _frames(commands, taps):
        pass  # a source of its own takes no frames


def _frames(commands: Channel, taps: Sequence[Tap]) -> Iterator[bytes]:
    """Pushed frames until the channel ends; everything else is for the taps."""
    while True:
        try:
            message, blob = commands.recv()
        except ChannelClosed:
            return
        if message["type"] == "events":
            yield blob
        else:
            _tell(taps, message)


def _tell(taps: Sequence[Tap], message: Message) -> None:
    for tap in taps:
        tap.command(message)
