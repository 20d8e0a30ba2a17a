"""What runs in the child process of a live source: events in, steps out, pictures while somebody looks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

from service.channel import Channel, ChannelClosed
from service.errors import BadFrame
from service.frames import decode_frame
from service.source_messages import EventPicture, Fault, SourceRequest
from service.sources import Emitter
from service.viewfinder import Viewfinder
from streaming.errors import BadSource
from streaming.events import Events
from streaming.outlet import Outlet
from streaming.ring import RingWriter
from streaming.source import SourceInfo
from streaming.sources import open_source

PUSH_FORMAT = "push"


def run_live(outlet: Outlet, request: SourceRequest, writer: RingWriter, commands: socket.socket) -> None:
    """Runs a simulated, replayed or camera source until it ends or the API is gone."""
    with open_source(request.source, width=request.width, height=request.height) as source:
        outlet.send(source.info)
        emitter = Emitter(outlet, writer, source.info, request)
        viewfinder = Viewfinder(source.info, request.picture_fps)
        threading.Thread(target=_obey, args=(Channel(commands), viewfinder), daemon=True).start()
        for events in source.packets():
            emitter.push(events, event_clock_s=_event_clock_s(source), progress=None)
            _show(outlet, viewfinder, events)
        emitter.finish()


def run_pushed(outlet: Outlet, request: SourceRequest, writer: RingWriter, commands: socket.socket) -> None:
    """Steps the events that a client pushes, until the API says that there are no more."""
    if request.width is None or request.height is None:
        raise BadSource("a stream of pushed events needs the sensor's width and height")
    info = SourceInfo(PUSH_FORMAT, request.width, request.height, live=True)
    outlet.send(info)
    emitter = Emitter(outlet, writer, info, request)
    viewfinder = Viewfinder(info, request.picture_fps)
    for frame in _frames(Channel(commands), viewfinder):
        try:
            events = decode_frame(frame, info.width, info.height)
        except BadFrame as error:
            outlet.send(Fault(type(error).__name__, str(error)))
            continue
        emitter.push(events, event_clock_s=None, progress=None)
        _show(outlet, viewfinder, events)
    emitter.finish()


def _event_clock_s(source: object) -> float | None:
    """`time.monotonic()` at event time 0, where the source plays events at the speed of the clock."""
    clock: float | None = getattr(source, "event_clock_s", None)
    return clock


def _show(outlet: Outlet, viewfinder: Viewfinder, events: Events) -> None:
    webp = viewfinder.add(events)
    if webp is not None:
        outlet.send(EventPicture(webp, int(events.t_us[-1])))


def _obey(commands: Channel, viewfinder: Viewfinder) -> None:
    """Takes what the API asks for while the source runs; ends with the channel."""
    for _ in _frames(commands, viewfinder):
        pass  # a source of its own takes no frames


def _frames(commands: Channel, viewfinder: Viewfinder) -> Iterator[bytes]:
    """Pushed frames until the channel ends; obeys everything else on the way."""
    while True:
        try:
            message, blob = commands.recv()
        except ChannelClosed:
            return
        if message["type"] == "view":
            viewfinder.width = message["width"]
        elif message["type"] == "events":
            yield blob
