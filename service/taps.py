"""`Tap`: what looks at a live source's events in its child process, beside the steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from service.channel import Message
from service.source_messages import EventPicture, SourceRequest
from service.viewfinder import Viewfinder
from streaming.events import Events
from streaming.outlet import Outlet
from streaming.source import SourceInfo


class Tap(Protocol):
    """Sees every packet in the child's main thread; commands come in another thread."""

    def add(self, events: Events) -> None:
        """A packet, empty where nothing came. Must take little time: the steps wait meanwhile."""

    def command(self, message: Message) -> None:
        """What the API asks for, `{"type": ...}`; unknown types are someone else's."""

    def close(self) -> None:
        """The source has ended."""


TapMaker = Callable[[Outlet, SourceInfo, SourceRequest], Tap]


class ViewTap:
    """Pictures while somebody looks."""

    def __init__(self, outlet: Outlet, info: SourceInfo, request: SourceRequest) -> None:
        self._outlet, self._viewfinder = outlet, Viewfinder(info, request.picture_fps)

    def add(self, events: Events) -> None:
        webp = self._viewfinder.add(events)
        if webp is not None:
            self._outlet.send(EventPicture(webp, int(events.t_us[-1])))

    def command(self, message: Message) -> None:
        if message["type"] == "view":
            self._viewfinder.width = message["width"]

    def close(self) -> None:
        self._viewfinder.width = None


TAPS: tuple[TapMaker, ...] = (ViewTap,)
"""The taps of every live source; a new kind adds its line here."""
