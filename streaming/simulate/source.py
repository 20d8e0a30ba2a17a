"""`sim://street?...`: a simulated street as a `Source`, live or as fast as it can be made.

Parameters of the URI, all optional:

==============  =================  =======  ================================================================
name            allowed            default  meaning
==============  =================  =======  ================================================================
seed            0..2147483647      1        which street; the same seed gives the same events
sensor          davis346           davis346 its pixels, size, bus and timestamps: also dvxplorer, gen1, gen3,
                                            gen4
width, height   64..1280, 64..720  sensor's px; larger ones may be slower than real time
camera          pan                pan      how it moves: also still, walk, shake
duration_s      0.01..86400        endless  seconds of events
speed           0.01..100 or max   1        scene seconds a wall-clock second; max does not wait
night           0, 1               0        dark, with lamps and a noisy sensor
people          0..12              8        how many people the street holds; about a third are in view
cars, bikes     0..4               3, 2     the same of vehicles
==============  =================  =======  ================================================================
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

import torch

from streaming.errors import BadSource
from streaming.events import MAX_PACKET_EVENTS, Events
from streaming.simulate.paths import CAMERA_PATHS, CameraPath
from streaming.simulate.presets import PRESETS, Preset
from streaming.simulate.scene import CHUNK_STEPS, STEP_US, Street, StreetSettings, Truth
from streaming.source import SourceInfo

AHEAD_STEPS: Final = 2 * CHUNK_STEPS
"""Steps made before they are due: the bound of the queue between making and pacing."""

CATCH_UP_S: Final = 0.2
"""A scene further behind the clock than this goes on from now instead of hurrying after it."""

MAX: Final = "max"


SENSOR: Final = "davis346"
CAMERA: Final = "pan"
MOST_RENDERED, LEAST_RENDERED = 0.5, 0.25
"""Rendered px per sensor px, of small and of large sensors."""
RENDERED_WIDTH_PX: Final = 173


@dataclass(frozen=True)
class Parameter:
    """A number in the URI, in `low`..`high`."""

    default: float
    low: float
    high: float
    whole: bool = True


PARAMETERS: Final = {
    "seed": Parameter(1, 0, 2**31 - 1),
    "width": Parameter(PRESETS[SENSOR].width, 64, 1280),
    "height": Parameter(PRESETS[SENSOR].height, 64, 720),
    "duration_s": Parameter(float("inf"), 0.01, 86_400, whole=False),
    "speed": Parameter(1, 0.01, 100, whole=False),
    "night": Parameter(0, 0, 1),
    "people": Parameter(8, 0, 12),
    "cars": Parameter(3, 0, 4),
    "bikes": Parameter(2, 0, 4),
}
CHOICES: Final[Mapping[str, Sequence[str]]] = {"sensor": tuple(PRESETS), "camera": tuple(CAMERA_PATHS)}
NAMES: Final = (*PARAMETERS, *CHOICES)
SCENES: Final = ("street",)


class SimulatedSource:
    """Events of a `Street`; keeps the contract of `streaming.source.Source`.

    Packets cover STEP_US each and may be empty. A thread makes them ahead of time while the caller waits for
    the clock, so that they come evenly.
    """

    def __init__(
        self, settings: StreetSettings, seed: int, duration_us: int | None, speed: float | None
    ) -> None:
        """`speed` None does not wait; `duration_us` None never ends."""
        self._settings, self._seed, self._duration_us, self._speed = settings, seed, duration_us, speed
        live = duration_us is None or speed is not None
        self._info = SourceInfo("sim", settings.width, settings.height, live)
        self._closed = threading.Event()
        self._truth: Street | None = None
        self._zero_s: float | None = None

    @property
    def event_clock_s(self) -> float | None:
        """`time.monotonic()` at event time 0 at speed 1; None at others and before the first event."""
        return self._zero_s

    @property
    def duration_us(self) -> int | None:
        """Its length; None where it never ends."""
        return self._duration_us

    @property
    def info(self) -> SourceInfo:
        return self._info

    def packets(self) -> Iterator[Events]:
        """Packets in time order, at most MAX_PACKET_EVENTS long; ends with the duration, or when closed."""
        steps = self._steps() if self._speed is None else self._paced(self._speed)
        for events in steps:
            for start in range(0, max(1, len(events)), MAX_PACKET_EVENTS):
                yield events[start : start + MAX_PACKET_EVENTS]

    def truth(self, t_us: int) -> Truth:
        """True boxes at `t_us` of the stream's own time."""
        if self._truth is None:
            self._truth = Street(self._settings, self._seed)
        return self._truth.truth(t_us)

    def _steps(self) -> Iterator[Events]:
        """Events of every step, as fast as they can be made."""
        end_us = self._duration_us
        for index, events in enumerate(Street(self._settings, self._seed).events()):
            start_us = index * STEP_US
            if self._closed.is_set() or (end_us is not None and start_us >= end_us):
                return
            if end_us is not None and start_us + STEP_US > end_us:
                events = events[events.t_us < end_us]
            yield events

    def _paced(self, speed: float) -> Iterator[Events]:
        """Events of every step when it is over by the wall clock; late steps are not waited for."""
        made: queue.Queue[Events | BaseException | None] = queue.Queue(AHEAD_STEPS)
        maker = threading.Thread(target=self._make, args=(made,), name="street", daemon=True)
        maker.start()
        due_s: float | None = None
        end_us = 0
        while (item := self._next(made)) is not None:
            if isinstance(item, BaseException):
                raise item
            now_s = time.monotonic()
            due_s = max(now_s if due_s is None else due_s, now_s - CATCH_UP_S) + STEP_US * 1e-6 / speed
            end_us += STEP_US
            self._zero_s = due_s - end_us * 1e-6 if speed == 1 else None
            if self._closed.wait(max(0.0, due_s - now_s)):
                return
            yield item

    def _next(self, made: queue.Queue[Events | BaseException | None]) -> Events | BaseException | None:
        """What was made next; None at the end and, if it comes while nothing is ready, when closed."""
        while not self._closed.is_set():
            try:
                return made.get(timeout=0.1)
            except queue.Empty:
                continue
        return None

    def _make(self, made: queue.Queue[Events | BaseException | None]) -> None:
        """Fill the queue until the end or until closed; an error travels to the reader."""
        # Torch keeps this number for each thread: one is enough, and leaves the other cores to the detector.
        torch.set_num_threads(1)
        try:
            for events in self._steps():
                if not self._put(made, events):
                    return
        except BaseException as error:  # noqa: BLE001 - the edge of a thread: whatever it is, the reader raises it
            self._put(made, error)
        else:
            self._put(made, None)

    def _put(
        self, made: queue.Queue[Events | BaseException | None], item: Events | BaseException | None
    ) -> bool:
        while not self._closed.is_set():
            try:
                made.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def close(self) -> None:
        """Ends `packets` at its next step; may be called from another thread, and again."""
        self._closed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_simulation(uri: str) -> SimulatedSource:
    """The source that a URI such as `sim://street?seed=1&people=3` means.

    Raises:
        BadSource: another scheme or scene, a parameter that is unknown, repeated or out of range.
    """
    parts = urlsplit(uri)
    if parts.scheme != "sim" or parts.netloc not in SCENES or parts.path not in ("", "/"):
        raise BadSource(
            f"{uri}: found {parts.scheme}://{parts.netloc}{parts.path}; simulated scenes are "
            f"{', '.join(f'sim://{scene}' for scene in SCENES)}. Use one of them."
        )
    given = _read_query(uri, parts.query)
    paced = given.get("speed") != MAX
    sensor, camera = _choice(uri, "sensor", given, SENSOR), _choice(uri, "camera", given, CAMERA)
    size = {"width": str(PRESETS[sensor].width), "height": str(PRESETS[sensor].height)}
    numbers = {name: _number(uri, name, given.get(name, size.get(name))) for name in PARAMETERS}
    settings = _street(PRESETS[sensor], CAMERA_PATHS[camera], numbers)
    duration_us = round(numbers["duration_s"] * 1e6) if "duration_s" in given else None
    return SimulatedSource(settings, int(numbers["seed"]), duration_us, numbers["speed"] if paced else None)


def _street(preset: Preset, path: CameraPath, numbers: Mapping[str, float]) -> StreetSettings:
    width, night = int(numbers["width"]), bool(numbers["night"])
    scale = min(MOST_RENDERED, max(LEAST_RENDERED, RENDERED_WIDTH_PX / width))
    return StreetSettings(
        width, int(numbers["height"]), int(numbers["people"]), int(numbers["cars"]), int(numbers["bikes"]),
        night, scale, preset.typical(night), preset.stamp_us, path,
    )  # fmt: skip


def _choice(uri: str, name: str, given: Mapping[str, str], default: str) -> str:
    text = given.get(name, default)
    if text not in CHOICES[name]:
        raise BadSource(
            f"{uri}: found {name}={text}; allowed are {', '.join(CHOICES[name])}. Change it or leave it out."
        )
    return text


def _read_query(uri: str, query: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in NAMES:
            raise BadSource(f"{uri}: found parameter {name!r}; allowed are {', '.join(NAMES)}. Leave it out.")
        if name in given:
            raise BadSource(f"{uri}: found parameter {name!r} twice; each is allowed once. Leave one out.")
        given[name] = value
    return given


def _number(uri: str, name: str, text: str | None) -> float:
    parameter = PARAMETERS[name]
    if text is None or (name == "speed" and text == MAX):
        return parameter.default
    try:
        number = int(text) if parameter.whole else float(text)
    except ValueError:
        number = float("nan")
    if not parameter.low <= number <= parameter.high:
        kind = "a whole number" if parameter.whole else "a number"
        word = f" or {MAX}" if name == "speed" else ""
        raise BadSource(
            f"{uri}: found {name}={text}; allowed is {kind} in {parameter.low:g}..{parameter.high:g}{word}. "
            "Change it or leave it out."
        )
    return number
