"""Entry points of source processes, importable without the compiled kernels that they then import."""

from __future__ import annotations

import socket

from service.source_messages import SourceRequest
from streaming.outlet import Outlet
from streaming.ring import RingWriter


def upload(outlet: Outlet, request: SourceRequest, writer: RingWriter) -> None:
    """An uploaded recording; see `service.sources.read_upload`."""
    from service.sources import read_upload

    read_upload(outlet, request, writer)


def live(outlet: Outlet, request: SourceRequest, writer: RingWriter, commands: socket.socket) -> None:
    """A source of our own; see `service.live_sources.run_live`."""
    from service.live_sources import run_live

    run_live(outlet, request, writer, commands)


def pushed(outlet: Outlet, request: SourceRequest, writer: RingWriter, commands: socket.socket) -> None:
    """Events that a client pushes; see `service.live_sources.run_pushed`."""
    from service.live_sources import run_pushed

    run_pushed(outlet, request, writer, commands)
