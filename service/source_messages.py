"""What a source's child process says, and what it is asked for: plain values."""

from __future__ import annotations

from dataclasses import dataclass

from service.options import Policy
from streaming.ring import StepMessage
from streaming.source import SourceInfo


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
        arrive_ms: newest event to `ready_s`; None where the events' clock cannot be mapped to ours.
        progress: how much of the recording is read, 0..1; None for a live source.
    """

    message: StepMessage
    ready_s: float
    arrive_ms: float | None
    progress: float | None


@dataclass(frozen=True, slots=True)
class Lost:
    """Steps given up for want of a free slot."""

    steps: int
    events: int


@dataclass(frozen=True, slots=True)
class EventPicture:
    """A WebP of the newest events; `t_us` is the time of the newest one."""

    webp: bytes
    t_us: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Something was refused and the source goes on: name of an error class, and its message."""

    error: str
    message: str


ADMITTED = (SourceInfo, StepMessage, Produced, Lost, EventPicture, Fault)
"""Classes that the API takes from a child."""
