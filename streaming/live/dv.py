"""`dv://host:port`: a camera that serves its events as AEDAT4 over TCP, as DV and dv-processing do.

==============  ==========================================  ==============================================
name            allowed                                     meaning
==============  ==========================================  ==============================================
name            as the stream says it, DAVIS346_00000123    any other camera that answers is waited out
==============  ==========================================  ==============================================

The stream says how large the sensor is. What the other side cannot have seen (pixels beyond its sensor, times
beyond all clocks or in no order) is left out, counted and complained about.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from itertools import chain, repeat
from typing import Final, Self, TypeVar

import numpy as np

from streaming.errors import BrokenRecording, SourceLost
from streaming.events import Events, backward_time, outside_sensor
from streaming.live.dv_address import DvAddress, Endpoint, parse_dv
from streaming.live.dv_clock import WallClock
from streaming.live.dv_link import DvLink
from streaming.live.dv_probe import probe
from streaming.live.library import camera_library
from streaming.live.packets import IDLE_S, Region, in_order, within
from streaming.source import SourceInfo

PAUSES_S: Final = (0.1, 0.2, 0.4)
LAST_PAUSE_S: Final = 0.8
"""Between two looks for a peer that is not there."""
TELL_S: Final = 0.5
"""Between two words about what is waited for."""
FAULTS_S: Final = 1.0
"""Least time between two complaints."""
MOST_FALLS: Final = 16
"""A batch whose time runs backward more often is in no order at all."""
FARTHEST_US: Final = 1 << 61

T = TypeVar("T")


class DvSource:
    """A peer as a `Source`, `Linked` and `Complaining`.

    Entering waits for the peer as long as it takes; what keeps it away goes to `on_wait`. Backward time
    begins a new packet.

    Args:
        uri: for messages.
        address: who serves the events, and which camera it must be.

    Attributes:
        on_wait: called at least every second while entering waits.
        on_fault: called at most once a second with what was wrong with events left out since.
        outside: events left out because the sensor has no such pixel.
        disordered: events left out because their times were absurd or in no order.
    """

    def __init__(self, uri: str, address: DvAddress) -> None:
        self._uri, self._address = uri, address
        self._link: DvLink | None = None
        self._clock = WallClock()
        self._closed = threading.Event()
        self._complained_s = 0.0
        self.on_wait: Callable[[str], None] = lambda what: None
        self.on_fault: Callable[[BrokenRecording], None] = lambda error: None
        self.outside = self.disordered = 0

    @property
    def info(self) -> SourceInfo:
        """Known once entered."""
        link = self._opened()
        return SourceInfo("dv", link.width, link.height, live=True, sensor=link.name or None)

    @property
    def event_clock_s(self) -> float | None:
        """`time.monotonic()` at event time 0, where events carry the time of day; else None."""
        return self._clock.zero_s

    @property
    def counters(self) -> Mapping[str, int]:
        """Events that came and were not given: `outside`, `disordered`, `dropped` (not read in time)."""
        dropped = 0 if self._link is None else self._link.dropped
        return {"outside": self.outside, "disordered": self.disordered, "dropped": dropped}

    def packets(self) -> Iterator[Events]:
        """Packets as they come, an empty one after IDLE_S without events; until closed.

        Raises:
            SourceLost: the peer went away.
        """
        link = self._opened()
        while not self._closed.is_set():
            events = link.read(IDLE_S)
            if events is None:
                yield Events.empty()
            else:
                yield from self._checked(events, link)

    def close(self) -> None:
        """Ends `packets` within IDLE_S, or the waiting; may be called from another thread."""
        self._closed.set()

    def __enter__(self) -> Self:
        library = camera_library("dv_processing", "dv-processing")
        missing = f"connecting to {self._address.endpoint}"
        for pause_s in chain(PAUSES_S, repeat(LAST_PAUSE_S)):
            try:
                peer = self._found(missing)
                self._link = self._wanted(DvLink(library, peer))
                return self
            except SourceLost as error:
                missing = str(error)
            self.on_wait(missing)
            if self._closed.wait(pause_s):
                break
        raise SourceLost(f"{self._uri}: closed while waiting for the camera")

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        if self._link is not None:
            self._link.close()

    def _found(self, missing: str) -> Endpoint:
        """The peer's address, when it serves what we read; `missing` is told meanwhile."""
        endpoint = self._address.endpoint
        return _in_background(lambda: probe(endpoint), lambda: self.on_wait(missing))

    def _wanted(self, link: DvLink) -> DvLink:
        name = self._address.name
        if name is None or link.name == name:
            return link
        link.close()
        raise SourceLost(f"{self._address.endpoint} serves the camera {link.name!r}, not {name!r}")

    def _opened(self) -> DvLink:
        assert self._link is not None, "enter the source first"
        return self._link

    def _checked(self, events: Events, link: DvLink) -> Iterator[Events]:
        if (fault := _fault_of_times(events)) is not None:
            self.disordered += len(events)
            self._complain(fault)
            yield Events.empty()
            return
        inside = within(events, Region(0, 0, link.width, link.height))
        if len(inside) < len(events):
            self.outside += len(events) - len(inside)
            x, y = int(events.x.max()), int(events.y.max())
            note = " (largest of its batch)"
            self._complain(outside_sensor(x, y, link.width, link.height, where=f"{self._uri}: ", note=note))
        if len(inside) == 0:
            yield inside
        arrived_s, day_s = time.monotonic(), time.time()
        for packet in in_order(inside):
            self._clock.saw(int(packet.t_us[0]), int(packet.t_us[-1]), arrived_s, day_s)
            yield packet

    def _complain(self, fault: BrokenRecording) -> None:
        now_s = time.monotonic()
        if now_s - self._complained_s >= FAULTS_S:
            self._complained_s = now_s
            self.on_fault(fault)


def open_dv(uri: str) -> DvSource:
    """The source that a URI such as `dv://192.168.1.20:7777` means.

    Raises:
        BadSource: no host, no port, or an option that is unknown or repeated.
    """
    return DvSource(uri, parse_dv(uri))


def _fault_of_times(events: Events) -> BrokenRecording | None:
    t_us = events.t_us
    falls = np.flatnonzero(t_us[1:] < t_us[:-1])
    if len(falls) > MOST_FALLS:
        at = int(falls[0])
        return backward_time(int(t_us[at]), int(t_us[at + 1]), note=f", and {len(falls) - 1} times more")
    low_us, high_us = int(t_us.min()), int(t_us.max())
    if low_us < -FARTHEST_US or high_us > FARTHEST_US:
        return BrokenRecording(f"found times from {low_us} us to {high_us} us; no clock shows them")
    return None


def _in_background(function: Callable[[], T], meanwhile: Callable[[], None]) -> T:
    """`function()` in a thread of its own, with `meanwhile()` every TELL_S until it is done."""
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(function())
        except BaseException as error:  # noqa: BLE001 - the edge of a thread: raised in the one that waits
            result.set_exception(error)

    threading.Thread(target=run, name="dv-probe", daemon=True).start()
    while not wait([result], TELL_S).done:
        meanwhile()
    return result.result()
