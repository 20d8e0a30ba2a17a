"""How large is the sensor: from the recording, the caller, the sensor's name, or the reach of the events.

The first that says wins, in this order:

1. the recording states its size;
2. the caller states it (`width`, `height`);
3. the recording names a sensor whose size is known (Prophesee headers, HDF5 attributes: generation,
   sensor or plug-in name);
4. for formats that often state no size (DAT, NPY, NPZ, CSV, HDF5): the extent of the events, found by a
   first pass over at most `EXTENT_EVENTS` events. Where events reach into the last tenth of both sides of a
   known sensor, its size is taken; else the extent itself (crops such as N-CARS).

A RAW file of which none of this can be said raises `SizeUnknown`: there is no default size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from streaming.errors import BadSource, BrokenRecording, SizeUnknown
from streaming.events import Events
from streaming.source import SizeSource, SourceInfo

EXTENT_EVENTS = 1 << 26
MAX_SIDE = 4096
NEARLY_FULL = 0.9


@dataclass(frozen=True, slots=True)
class Size:
    """Columns and rows of a sensor, pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor by its name in headers."""

    name: str
    size: Size


_VGA, _HD = Size(640, 480), Size(1280, 720)

PROPHESEE_SENSORS: Mapping[str, Sensor] = {
    "genx320": Sensor("Prophesee GenX320", Size(320, 320)),
    "imx636": Sensor("Prophesee IMX636", _HD),
    "imx646": Sensor("Prophesee IMX646", _HD),
    "gen41": Sensor("Prophesee Gen4.1", _HD),
    "gen4.1": Sensor("Prophesee Gen4.1", _HD),
    "gen42": Sensor("Prophesee IMX636", _HD),
    "gen4.2": Sensor("Prophesee IMX636", _HD),
    "gen4": Sensor("Prophesee Gen4", _HD),
    "gen31": Sensor("Prophesee Gen3.1", _VGA),
    "gen3.1": Sensor("Prophesee Gen3.1", _VGA),
    "gen3": Sensor("Prophesee Gen3", _VGA),
}
"""Longer names first: the first that occurs in a header value wins."""

KNOWN_SIZES = tuple(
    sorted(
        [
            Size(128, 128),
            Size(240, 180),
            Size(304, 240),
            Size(320, 240),
            Size(320, 320),
            Size(346, 260),
            Size(640, 480),
            Size(1280, 720),
        ],
        key=lambda size: size.width * size.height,
    )
)
"""DVS128, DAVIS240, ATIS Gen1, DVXplorer Lite, GenX320, DAVIS346, Gen3/DVXplorer, Gen4."""


def stated_size(width: int | None, height: int | None) -> Size | None:
    """Size as a caller states it, None where both are None.

    Raises:
        BadSource: one of the two is missing, or a side is not 1..`MAX_SIDE`.
    """
    if width is None and height is None:
        return None
    if width is None or height is None:
        raise BadSource(f"found width {width} and height {height}; state both or neither")
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise BadSource(f"found a size of {width} x {height}; a side is 1 to {MAX_SIDE} pixels")
    return Size(width, height)


def recorded_size(width: int, height: int, where: str) -> Size:
    """Size as a recording states it.

    Raises:
        BrokenRecording: a side is not 1..`MAX_SIDE`.
    """
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise BrokenRecording(
            f"{where}: its header states a sensor of {width} x {height}; a side is 1 to {MAX_SIDE} pixels. "
            "The file is damaged."
        )
    return Size(width, height)


def sensor_named_in(values: Iterable[str]) -> Sensor | None:
    """The first known Prophesee sensor that one of the header `values` names."""
    for value in values:
        lowered = value.lower()
        for key, sensor in PROPHESEE_SENSORS.items():
            if key in lowered:
                return sensor
    return None


def known_info(
    format: str, recorded: Size | None, stated: Size | None, sensor: Sensor | None
) -> SourceInfo | None:
    """What is known before the first event, by rules 1 to 3 above; None where nobody says the size.

    Args:
        format: short name of the format.
        recorded: size that the recording states.
        stated: size that the caller states.
        sensor: the sensor that the recording names.
    """
    says: tuple[tuple[SizeSource, Size | None], ...] = (
        ("file", recorded),
        ("caller", stated),
        ("sensor", sensor.size if sensor else None),
    )
    name = sensor.name if sensor else None
    for who, size in says:
        if size is not None:
            return SourceInfo(format, size.width, size.height, sensor=name, size_source=who)
    return None


def size_unknown(where: str) -> SizeUnknown:
    """The error of a file that does not tell its sensor."""
    return SizeUnknown(
        f"{where}: its header states neither a size nor a known sensor. State the sensor's size with "
        "--width and --height (width and height in a request), for example 640 x 480 or 1280 x 720."
    )


def info_by_extent(format: str, packets: Iterable[Events], where: str) -> SourceInfo:
    """Size by the reach of the first `EXTENT_EVENTS` events; rule 4 above.

    Raises:
        SizeUnknown: there are no events.
        BrokenRecording: events reach farther than any sensor.
    """
    x_max, y_max, seen = -1, -1, 0
    for events in packets:
        if len(events):
            x_max, y_max = max(x_max, int(events.x.max())), max(y_max, int(events.y.max()))
        seen += len(events)
        if seen >= EXTENT_EVENTS:
            break
    if seen == 0:
        raise size_unknown(where)
    if max(x_max, y_max) >= MAX_SIDE:
        raise BrokenRecording(
            f"{where}: events reach to x={x_max}, y={y_max}; no sensor is larger than {MAX_SIDE} pixels a "
            "side. The file is damaged or of another format."
        )
    size = _nearly_full(Size(x_max + 1, y_max + 1))
    return SourceInfo(format, size.width, size.height, size_source="extent")


def _nearly_full(reach: Size) -> Size:
    for size in KNOWN_SIZES:
        inside = reach.width <= size.width and reach.height <= size.height
        wide, high = reach.width / size.width, reach.height / size.height
        if inside and min(wide, high) >= NEARLY_FULL:
            return size
    return reach
