"""What a caller may choose: options of one detection, and the description of a live stream."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from model.errors import BadSetting

Policy = Literal["block", "drop_oldest", "shed_steps"]

LINKED_SCHEMES = ("dv", "usb", "udp")
"""Cameras and peers on the network: they come and go."""
MAX_STRIDE = 100_000
MIN_VIEW_WIDTH, MAX_VIEW_WIDTH = 16, 1920


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """How a recording is looked at. None means: as the model's card or the recording says.

    Attributes:
        model: a name of the zoo.
        threshold: least score of a box, 0..1.
        iou: largest overlap of two boxes of one label, 0..1.
        stride: steps between two answers, default the model's T.
        start_us, end_us: time range, microseconds after the first event, end exclusive.
        width, height: the sensor's size in pixels, where the recording does not say it.
        format: the recording's format, where its content does not say it.
        track: give boxes ids that last.

    Raises:
        BadSetting: a number is outside its range or not finite.
    """

    model: str = "ems-nano"
    threshold: float | None = None
    iou: float | None = None
    stride: int | None = None
    start_us: int | None = None
    end_us: int | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    track: bool = False

    def __post_init__(self) -> None:
        check_fraction("threshold", self.threshold)
        check_fraction("iou", self.iou)
        check_count("stride", self.stride, MAX_STRIDE)
        check_count("width", self.width, 65_535)
        check_count("height", self.height, 65_535)
        if self.start_us is not None and self.end_us is not None and self.end_us <= self.start_us:
            raise BadSetting(
                f"end_us is {self.end_us}, start_us is {self.start_us}; end_us must be the larger one"
            )


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """What a live stream is made of.

    Attributes:
        source: "sim://street?seed=1", "file:///path?speed=1&loop=1", or "push:" for events sent by a client.
        name: shown to people and unique among running streams; None makes one up.
        model: a name of the zoo.
        threshold, iou, stride: as in `DetectOptions`.
        policy: what happens when the network is behind: `drop_oldest` gives up the oldest waiting windows,
            `shed_steps` joins steps that wait into fewer, longer ones, `block` holds the source up (meant for
            replayed files; cameras cannot wait).
        track: give boxes ids that last.
        keep: run on when nobody watches, and again after a restart of the service.
        width, height: the sensor's size in pixels; needed for "push:", else where the source does not say it.

    Raises:
        BadSetting: a number is outside its range or not finite.
    """

    source: str
    name: str | None = None
    model: str = "ems-nano"
    threshold: float | None = None
    iou: float | None = None
    stride: int | None = None
    policy: Policy = "drop_oldest"
    width: int | None = None
    height: int | None = None
    track: bool = True
    keep: bool = False

    def __post_init__(self) -> None:
        check_fraction("threshold", self.threshold)
        check_fraction("iou", self.iou)
        check_count("stride", self.stride, MAX_STRIDE)
        check_count("width", self.width, 65_535)
        check_count("height", self.height, 65_535)

    @property
    def pushed(self) -> bool:
        """Events come from a client, not from a source of ours."""
        return self.source.startswith("push:")

    @property
    def linked(self) -> bool:
        """The source is a camera or a peer on the network, which is waited for and begun anew."""
        return self.source.partition("://")[0] in LINKED_SCHEMES


def check_fraction(name: str, value: float | None) -> None:
    """Raise `BadSetting` where `value` is not a finite number in 0..1 (None passes)."""
    if value is not None and not (math.isfinite(value) and 0.0 <= value <= 1.0):
        raise BadSetting(f"{name} is {value}; it must be a number from 0 to 1")


def check_count(name: str, value: int | None, most: int) -> None:
    """Raise `BadSetting` where `value` is not in 1..`most` (None passes)."""
    if value is not None and not 1 <= value <= most:
        raise BadSetting(f"{name} is {value}; it must be a whole number from 1 to {most}")


def check_view_width(width: int | None) -> None:
    """Raise `BadSetting` where the width of event pictures is not in 16..1920 (None passes)."""
    if width is not None and not MIN_VIEW_WIDTH <= width <= MAX_VIEW_WIDTH:
        raise BadSetting(f"view is {width}; it must be from {MIN_VIEW_WIDTH} to {MAX_VIEW_WIDTH} pixels wide")
