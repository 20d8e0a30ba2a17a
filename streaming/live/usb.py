"""`usb://davis`, `usb://evk4?serial=...`: event cameras on this machine's USB.

==============  ==========================================  ==============================================
name            allowed                                     meaning
==============  ==========================================  ==============================================
serial          as `spikesight cameras` prints it           which of several cameras
roi             x,y,width,height inside the sensor, px      only events there; boxes stay in sensor pixels
bias_...        by model, see docs/cameras.md               the sensor's biases
contrast_...    dvxplorer: 0..17                            thresholds of ON and OFF events
==============  ==========================================  ==============================================

Models: davis, dvxplorer, dvs128 (iniVation), evk3, evk4 (Prophesee), any (the first camera of either).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Self

from streaming.errors import BadSource, SourceLost
from streaming.events import Events
from streaming.live.bus import no_permission
from streaming.live.camera import ANY, Bias, Camera, Driver, Wanted
from streaming.live.clock import EventClock
from streaming.live.inivation import InivationDriver
from streaming.live.packets import IDLE_S, Region, in_order, within
from streaming.live.prophesee import PropheseeDriver
from streaming.live.query import options_of, split_uri, whole_number
from streaming.source import SourceInfo

RETRY_S: Final = 0.5
"""Between two looks for a camera that is not there; well under the second that `Linked` allows."""
LARGEST_SIDE: Final = 65_535

Explain = Callable[[], str | None]


class UsbSource:
    """A camera as a `Source` and `Linked`: entering waits for it, unplugging it raises `SourceLost`.

    Args:
        uri: for messages.
        wanted: which camera, and its settings.
        drivers: asked in turn.
        explain: says, where it can, why a camera that is plugged in may not be opened.
    """

    def __init__(
        self, uri: str, wanted: Wanted, drivers: Sequence[Driver], explain: Explain = no_permission
    ) -> None:
        self._uri, self._wanted, self._drivers, self._explain = uri, wanted, drivers, explain
        self._camera: Camera | None = None
        self._region = Region(0, 0, 0, 0)
        self._clock = EventClock()
        self._closed = threading.Event()
        self.on_wait: Callable[[str], None] = lambda what: None
        self.outside = 0

    @property
    def info(self) -> SourceInfo:
        """Known once entered."""
        camera = self._opened()
        return SourceInfo(
            "usb", camera.width, camera.height, live=True, sensor=camera.name, size_source="sensor"
        )

    @property
    def event_clock_s(self) -> float | None:
        """`time.monotonic()` at event time 0, as far as arrivals tell (`EventClock`); None before events."""
        return self._clock.zero_s

    @property
    def counters(self) -> Mapping[str, int]:
        """Events outside the sensor or the region, and packets of the bus that were lost."""
        return {
            "outside": self.outside,
            "dropped_packets": 0 if self._camera is None else self._camera.dropped,
        }

    def packets(self) -> Iterator[Events]:
        """Packets as they come, an empty one after IDLE_S without events; until closed.

        Raises:
            SourceLost: the camera is gone.
        """
        camera = self._opened()
        given_s = time.monotonic()
        while not self._closed.is_set():
            events = camera.read()
            now_s = time.monotonic()
            if events is not None and len(events):
                given_s = now_s
                yield from self._checked(events, now_s)
            elif now_s - given_s >= IDLE_S / 2:
                given_s = now_s
                yield Events.empty()

    def _checked(self, events: Events, arrived_s: float) -> Iterator[Events]:
        self._clock.saw(int(events.t_us[-1]), arrived_s)
        inside = within(events, self._region)
        self.outside += len(events) - len(inside)
        yield from in_order(inside)

    def close(self) -> None:
        """Ends `packets` at its next step, or the waiting; may be called from another thread."""
        self._closed.set()

    def __enter__(self) -> Self:
        while True:
            try:
                self._camera = self._open()
                break
            except SourceLost as missing:
                self.on_wait(self._explain() or str(missing))
            if self._closed.wait(RETRY_S):
                raise SourceLost(f"{self._uri}: closed while waiting for the camera")
        self._region = self._checked_region(self._camera)
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        if self._camera is not None:
            self._camera.close()

    def _open(self) -> Camera:
        """The first camera that a driver opens; a library that is missing matters only where all are."""
        missing: list[str] = []
        unusable: list[BadSource] = []
        for driver in self._drivers:
            try:
                return driver.open(self._wanted)
            except SourceLost as error:
                missing.append(str(error))
            except BadSource as error:
                unusable.append(error)
        if len(unusable) == len(self._drivers):
            raise BadSource(f"{self._uri}: {unusable[0]}")
        raise SourceLost("; ".join(missing))

    def _opened(self) -> Camera:
        assert self._camera is not None, "enter the source first"
        return self._camera

    def _checked_region(self, camera: Camera) -> Region:
        region = self._wanted.region
        if region is None:
            return Region(0, 0, camera.width, camera.height)
        if region.fits(camera.width, camera.height):
            return region
        camera.close()
        raise BadSource(
            f"{self._uri}: found a roi up to x={region.x + region.width}, y={region.y + region.height}; "
            f"the sensor of {camera.name} has {camera.width} x {camera.height} pixels. Make it smaller."
        )


def open_usb(uri: str, drivers: Sequence[Driver] | None = None) -> UsbSource:
    """The source that a URI such as `usb://evk4?serial=00051243&roi=320,180,640,360` means.

    Raises:
        BadSource: no such model, an unknown or repeated option, a value out of its range.
    """
    known = drivers or (InivationDriver(), PropheseeDriver())
    parts = split_uri(uri)
    models = {name: biases for driver in known for name, biases in driver.models.items()}
    model = parts.netloc
    if model not in (*models, ANY) or parts.path not in ("", "/"):
        raise BadSource(
            f"{uri}: found the camera {(parts.netloc + parts.path)!r}; known are "
            f"{', '.join((*models, ANY))}. `spikesight cameras` lists those that are plugged in."
        )
    biases = models.get(model, {})
    options = options_of(uri, ("serial", "roi", *biases))
    wanted = Wanted(
        model,
        options.get("serial") or None,
        {name: _bias(uri, name, options[name], biases[name]) for name in biases if name in options},
        _region(uri, options["roi"]) if "roi" in options else None,
    )
    return UsbSource(uri, wanted, [driver for driver in known if model in (*driver.models, ANY)])


def _bias(uri: str, name: str, text: str, allowed: Bias) -> tuple[int, ...]:
    numbers = text.split(",")
    if len(numbers) != len(allowed):
        form = ",".join(f"{each.low}..{each.high}" for each in allowed)
        raise BadSource(f"{uri}: found {name}={text}; allowed is {form}. Change it.")
    return tuple(
        whole_number(uri, name, number, each.low, each.high)
        for number, each in zip(numbers, allowed, strict=True)
    )


def _region(uri: str, text: str) -> Region:
    numbers = text.split(",")
    if len(numbers) != 4:
        raise BadSource(f"{uri}: found roi={text}; allowed is x,y,width,height in pixels. Change it.")
    x, y = (whole_number(uri, "roi", number, 0, LARGEST_SIDE) for number in numbers[:2])
    width, height = (whole_number(uri, "roi", number, 1, LARGEST_SIDE) for number in numbers[2:])
    return Region(x, y, width, height)
