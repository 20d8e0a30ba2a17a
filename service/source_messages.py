"""What a source's child process says, and what it is asked for: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from service.options import Policy
from streaming.ring import StepMessage
from streaming.sensor_health.report import CLASSES as HEALTH_CLASSES
from streaming.sensor_health.report import SensorHealth
from streaming.source import SourceInfo

Clock: TypeAlias = Literal["source", "arrival"]
"""What latencies count from: the events' own time, or their arrival in the source's process."""


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """What a source's child is asked for.

    Attributes:
        source: path of an upload, URI of a live source, or "push:".
        step_us: duration of a step, microseconds.
        grid: (width, height) of the model's grid, cells.
        policy: what to do where no slot is free: wait, or give the step up.
        width, height: the sensor's size, where the source does not say it.
        format: short name of the recording's format, None to go by content.
        start_us, end_us: only events in this range, microseconds after the first event, end exclusive.
        picture_fps: most pictures a second.
    """

    source: str
    step_us: int
    grid: tuple[int, int]
    policy: Policy
    width: int | None = None
    height: int | None = None
    format: str | None = None
    start_us: int | None = None
    end_us: int | None = None
    picture_fps: float = 30.0


@dataclass(frozen=True, slots=True)
class Produced:
    """A step is complete, in the slot that `message` names.

    Attributes:
        message: the step.
        ready_s: `time.monotonic()` at which it was complete (one clock for all processes of a machine).
        arrive_ms: newest event to `ready_s`; None for a file.
        progress: how much of the recording is read, 0..1; None for a live source.
        clock: what `arrive_ms` counts from; None for a file.
    """

    message: StepMessage
    ready_s: float
    arrive_ms: float | None
    progress: float | None
    clock: Clock | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """Steps given up for want of a free slot."""

    steps: int
    events: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Something was refused and the source goes on: name of an error class, and its message."""

    error: str
    message: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The other side of a linked source is not there yet: what is waited for, in words."""

    what: str


@dataclass(frozen=True, slots=True)
class Beat:
    """The source is there, and nothing came."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a live source left out of what came since it was opened, by reason; none of it is in any step."""

    counters: dict[str, int]


class TapMessage:
    """Base of what the taps of a live source say (`service/taps.py`)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class EventPicture(TapMessage):
    """A WebP of the newest events; `t_us` is the time of the newest one."""

    webp: bytes
    t_us: int


@dataclass(frozen=True, slots=True)
class SensorReport(TapMessage):
    """How the sensor does, each second in which its source said something."""

    health: SensorHealth


ClipState: TypeAlias = Literal["recording", "whole", "broken"]


@dataclass(frozen=True, slots=True)
class ClipNews(TapMessage):
    """How the recording of a stretch of events goes.

    Attributes:
        id: of the clip.
        state: it goes on, its file is whole, or it broke off: what is in the file is to be saved.
        events: written so far.
        lost_events: that came faster than they could be written.
        size_bytes: of the file, so far.
        wants_bytes: that the file may have after what is written next.
        first_t_us, last_t_us: times of the first and last event, None without one.
        note: why it ended before its time, None where it did not.
    """

    id: str
    state: ClipState
    events: int
    lost_events: int
    size_bytes: int
    wants_bytes: int
    first_t_us: int | None
    last_t_us: int | None
    note: str | None = None


ADMITTED = (
    SourceInfo,
    StepMessage,
    Produced,
    Lost,
    Fault,
    Waiting,
    Beat,
    LeftOut,
    EventPicture,
    SensorReport,
    *HEALTH_CLASSES,
    ClipNews,
)
"""Classes that the API takes from a child."""
