"""The command camera: any source of events, served as a camera on the network."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from service.cli.cameras import opened_for_playing
from service.cli.terminal import errors, output

if TYPE_CHECKING:
    from streaming.events import Events
    from streaming.live.dv_server import CameraServer

REPORT_S = 0.5
DRAIN_S = 5.0
EXAMPLE = "0.0.0.0:7777"


class Clock(StrEnum):
    """What events are stamped with."""

    UNIX = "unix"
    SOURCE = "source"


def register(app: typer.Typer) -> None:
    app.command()(camera)


def camera(
    source: Annotated[str, typer.Argument(help="A recording, or a URI: sim://street?seed=1, usb://any, ...")],
    listen: Annotated[
        str, typer.Option(help="Where to listen; 0.0.0.0:7777 for every network of this machine.")
    ] = "127.0.0.1:7777",
    speed: Annotated[str, typer.Option(help="Of a recording: event seconds a second, or max.")] = "1",
    loop: Annotated[bool, typer.Option(help="Play a recording again and again.")] = False,
    clock: Annotated[
        Clock, typer.Option(help="Stamp events with the time of day, or keep the source's times.")
    ] = Clock.UNIX,
    name: Annotated[str, typer.Option(help="Name of the camera, as clients see it.")] = "SPIKESIGHT_SIM",
) -> None:
    """Serve events as a camera on the network: AEDAT4 over TCP, for `dv://` streams and for DV."""
    from streaming.live.dv_address import parse_endpoint
    from streaming.live.dv_server import CameraServer

    endpoint = parse_endpoint(listen, "--listen", EXAMPLE)
    served = 0
    with _stopping() as stopped, opened_for_playing(source, speed, loop) as opened:
        info = opened.info
        with CameraServer(endpoint, info.width, info.height, name=name) as server:
            errors.print(
                f"serving {escape(source)}, {info.width} x {info.height} pixels, at dv://{endpoint}",
                soft_wrap=True,
            )
            try:
                _serve(opened.packets(), server, clock, stopped)
                server.drain(DRAIN_S)
            finally:
                served = server.events
    output.print(f"served {served:,} events")


def _serve(packets: Iterator[Events], server: CameraServer, clock: Clock, stopped: Event) -> None:
    from streaming.live.dv_stamps import Stamps

    stamps = Stamps()
    with _reporting() as report:
        for events in packets:
            if stopped.is_set():
                raise KeyboardInterrupt
            stamp = clock is Clock.UNIX and len(events) > 0
            server.send(stamps.stamped(events) if stamp else events)
            report(server, len(events))


@contextmanager
def _stopping() -> Iterator[Event]:
    """SIGTERM and Ctrl-C interrupt what is done meanwhile; either is an ordinary end.

    The event is set by then: an interrupt inside a library's callback or destructor is swallowed there.
    """
    stopped = Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    except KeyboardInterrupt:
        errors.print("stopped")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _reporting() -> Iterator[Callable[[CameraServer, int], None]]:
    """A line that is kept up to date; where nobody looks, one for each change of who is connected."""
    line = _Line()
    if not errors.is_terminal:
        yield line.log
        return
    with Live(console=errors, auto_refresh=False, transient=True) as live:

        def show(server: CameraServer, events: int) -> None:
            if (text := line.text(server, events)) is not None:
                live.update(Text(text), refresh=True)

        yield show


class _Line:
    """What is said of a server, every REPORT_S."""

    def __init__(self) -> None:
        self._events = 0
        self._since_s = time.monotonic()
        self._clients = 0

    def text(self, server: CameraServer, events: int) -> str | None:
        """The line after `events` more of the source; None while it is too early for one."""
        self._events += events
        past_s = time.monotonic() - self._since_s
        if past_s < REPORT_S:
            return None
        rate = self._events / past_s
        self._events, self._since_s = 0, time.monotonic()
        dropped = f", {server.dropped:,} dropped" if server.dropped else ""
        return f"{rate:,.0f} events/s, {_clients(server.clients)}, {server.events:,} sent{dropped}"

    def log(self, server: CameraServer, events: int) -> None:
        """Prints a line where somebody came or went."""
        text = self.text(server, events)
        if text is not None and server.clients != self._clients:
            self._clients = server.clients
            errors.print(text, highlight=False)


def _clients(count: int) -> str:
    return f"{count} client" if count == 1 else f"{count} clients"
