"""`Driver` and `Camera`: what a vendor's library looks like from `streaming.live.usb`, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias

from streaming.events import Events
from streaming.live.packets import Region

ANY: Final = "any"
"""The model that stands for whichever is found first."""


@dataclass(frozen=True, slots=True)
class Range:
    """Whole numbers from `low` to `high`, both included."""

    low: int
    high: int


Bias: TypeAlias = tuple[Range, ...]
"""The numbers that one bias takes: mostly one, for a DAVIS coarse and fine."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which camera is asked for, and how it shall be set.

    Attributes:
        model: name of a model of the driver, or ANY.
        serial: serial number, None for the first camera found.
        biases: by option name ("bias_diff_on"), each as many numbers as its `Bias` has; checked.
        region: only events inside it, None for the whole sensor.
    """

    model: str
    serial: str | None = None
    biases: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))
    region: Region | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A camera that is plugged in.

    Attributes:
        model: name of a model of the driver; None where it is one that we do not open.
        name: what people call it ("Prophesee EVK4").
        serial: serial number, None where it could not be read.
        bus, address: where it is plugged in, as `lsusb` counts; None where the driver does not say.
        problem: why it cannot be opened now, in the driver's words; None where nothing is known against it.
    """

    model: str | None
    name: str
    serial: str | None = None
    bus: int | None = None
    address: int | None = None
    problem: str | None = None


class Camera(Protocol):
    """An open camera.

    Attributes:
        name: what people call it, serial number included.
        width, height: size of the whole sensor, pixels, whatever the region.
        dropped: packets of the bus lost so far because nobody took them in time.
    """

    name: str
    width: int
    height: int
    dropped: int

    def read(self) -> Events | None:
        """The next events in sensor coordinates, or None after at most IDLE_S without any.

        Raises:
            SourceLost: the camera is gone.
        """
        ...

    def close(self) -> None:
        """Gives the camera back; may be called again."""
        ...


class Driver(Protocol):
    """One vendor's library.

    Attributes:
        name: name of the package, for messages ("dv-processing").
        models: biases of each model that it opens, by the name in the URI.
    """

    name: str
    models: Mapping[str, Mapping[str, Bias]]

    def find(self) -> list[Found]:
        """Every camera of this vendor that is plugged in.

        Raises:
            BadSource: the library is not installed.
            SourceLost: the library cannot look (no permission, no USB).
        """
        ...

    def open(self, wanted: Wanted) -> Camera:
        """Opens a camera and sets it.

        Raises:
            BadSource: the library is not installed, or the camera does not take a setting.
            SourceLost: no such camera, it is in use, or it may not be opened.
        """
        ...
