"""`Events`: the one form events take between a source and a `Stepper`.

The contract of a stream of `Events`, written once:

- time is `t_us`, int64 microseconds; inside a packet and from packet to packet it does not decrease;
- `x` and `y` are uint16 pixel columns and rows with `x < width`, `y < height`; the origin is top left;
- `p` is uint8: 1 brighter (ON), 0 darker (OFF);
- a packet may be empty and is never None; a packet holds at most `MAX_PACKET_EVENTS` events;
- a finite source ends by ending its iterator; an error is raised, never sent as a packet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streaming.errors import BackwardTime, BrokenRecording, EventsOutsideSensor

MAX_PACKET_EVENTS = 1 << 17

UInt8Array: TypeAlias = NDArray[np.uint8]
UInt16Array: TypeAlias = NDArray[np.uint16]
Int64Array: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Parallel arrays of one packet of events.

    Attributes:
        t_us: (N,) int64, microseconds, not decreasing.
        x: (N,) uint16, pixel column.
        y: (N,) uint16, pixel row.
        p: (N,) uint8, 1 for ON and 0 for OFF.
    """

    t_us: Int64Array
    x: UInt16Array
    y: UInt16Array
    p: UInt8Array

    def __post_init__(self) -> None:
        shapes = {column.shape for column in (self.t_us, self.x, self.y, self.p)}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise ValueError(f"events need four one-dimensional columns of one length, got {shapes}")

    def __len__(self) -> int:
        return len(self.t_us)

    def __getitem__(self, index: slice | NDArray[Any]) -> Events:
        return Events(self.t_us[index], self.x[index], self.y[index], self.p[index])

    @classmethod
    def of(cls, t_us: ArrayLike, x: ArrayLike, y: ArrayLike, p: ArrayLike) -> Events:
        """Events from anything array-like, converted to the contract's types without checking ranges."""
        return cls(
            np.ascontiguousarray(t_us, np.int64),
            np.ascontiguousarray(x, np.uint16),
            np.ascontiguousarray(y, np.uint16),
            np.ascontiguousarray(p, np.uint8),
        )

    def contiguous(self) -> Events:
        """The same events in contiguous columns, as compiled kernels take them; copied only where needed."""
        return Events(
            np.ascontiguousarray(self.t_us),
            np.ascontiguousarray(self.x),
            np.ascontiguousarray(self.y),
            np.ascontiguousarray(self.p),
        )

    @classmethod
    def empty(cls) -> Events:
        return cls.of([], [], [], [])

    @classmethod
    def concatenate(cls, packets: Iterable[Events]) -> Events:
        """One packet of all `packets` in their order; empty where there are none."""
        parts = list(packets)
        if not parts:
            return cls.empty()
        return cls(
            np.concatenate([part.t_us for part in parts]),
            np.concatenate([part.x for part in parts]),
            np.concatenate([part.y for part in parts]),
            np.concatenate([part.p for part in parts]),
        )


def validate(events: Events, width: int, height: int, *, after_us: int | None, where: str) -> Events:
    """`events` as they are when they keep the stream's contract.

    Args:
        events: one packet from a reader.
        width: columns of the sensor.
        height: rows of the sensor.
        after_us: time of the last event before this packet, None for the first packet.
        where: what is read, for the message ("street.raw", "the upload").

    Raises:
        EventsOutsideSensor: an event lies beyond `width` x `height`.
        BackwardTime: time decreases inside the packet or against `after_us`.
        BrokenRecording: a polarity is neither 0 nor 1.
    """
    if len(events) == 0:
        return events
    _check_inside(events, width, height, where)
    _check_order(events, after_us, where)
    if int(events.p.max()) > 1:
        raise BrokenRecording(
            f"{where}: found polarity {int(events.p.max())}; polarity is 0 (OFF) or 1 (ON). "
            "The file is damaged or of another format."
        )
    return events


def outside_sensor(
    x: int, y: int, width: int, height: int, *, where: str = "", note: str = ""
) -> EventsOutsideSensor:
    """The error of an event at (x, y) beyond a `width` x `height` sensor.

    Args:
        x, y: pixel column and row of the event.
        width, height: size of the sensor, pixels.
        where: begins the message where the caller knows what is read ("street.raw: ").
        note: follows the place (" at byte 96").
    """
    return EventsOutsideSensor(
        f"{where}found an event at x={x}, y={y}{note} outside the {width} x {height} sensor. "
        "State the right size with width and height, or the recording is damaged."
    )


def backward_time(from_us: int, to_us: int, *, where: str = "", note: str = "") -> BackwardTime:
    """The error of a time `to_us` after `from_us`, both microseconds; `where` and `note` as above."""
    return BackwardTime(
        f"{where}time runs backward from {from_us} us to {to_us} us{note}; events must come in time order. "
        "Sort the recording; or it is damaged, or joined of several."
    )


def _check_inside(events: Events, width: int, height: int, where: str) -> None:
    x_max, y_max = int(events.x.max()), int(events.y.max())
    if x_max < width and y_max < height:
        return
    raise outside_sensor(x_max, y_max, width, height, where=f"{where}: ", note=" (largest of its packet)")


def _check_order(events: Events, after_us: int | None, where: str) -> None:
    t_us = events.t_us
    first_us = int(t_us[0])
    if after_us is not None and first_us < after_us:
        raise backward_time(after_us, first_us, where=f"{where}: ", note=" between two packets")
    drops = np.flatnonzero(t_us[1:] < t_us[:-1])
    if len(drops):
        at = int(drops[0])
        raise backward_time(int(t_us[at]), int(t_us[at + 1]), where=f"{where}: ")
