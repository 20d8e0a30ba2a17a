"""`Tap`: what looks at a live source's events in its child process, beside the steps."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Protocol

from service.channel import Message
from service.clips.tap import RecordTap
from service.source_messages import EventPicture, SensorReport, SourceRequest
from service.viewfinder import Viewfinder
from streaming.events import Events
from streaming.outlet import Outlet
from streaming.sensor_health.watch import HealthWatch
from streaming.source import SourceInfo

REPORT_S = 1.0


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


class HealthTap:
    """How the sensor does, told each second in which the source said something.

    What was counted is judged in a thread of its own, so that the steps do not wait for it. A source that
    hangs is not spoken for.
    """

    def __init__(self, outlet: Outlet, info: SourceInfo, _request: SourceRequest) -> None:
        self._outlet, self._watch = outlet, HealthWatch(info.width, info.height, live=True)
        self._heard, self._ended = threading.Event(), threading.Event()
        self._reporter = threading.Thread(target=self._report, name="sensor-health", daemon=True)
        self._reporter.start()

    def add(self, events: Events) -> None:
        self._watch.add(events)
        self._heard.set()

    def command(self, message: Message) -> None:
        """Nothing can be asked of it."""

    def close(self) -> None:
        self._ended.set()
        self._reporter.join(REPORT_S)

    def _report(self) -> None:
        with contextlib.suppress(OSError):  # the API is gone, and this process soon
            while not self._ended.wait(REPORT_S):
                if self._heard.is_set():
                    self._heard.clear()
                    self._outlet.send(SensorReport(self._watch.report()))


TAPS: tuple[TapMaker, ...] = (ViewTap, HealthTap, RecordTap)
"""The taps of every live source; a new kind adds its line here."""
