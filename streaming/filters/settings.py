"""What filters are to do: frozen settings, and `parse_filter`, which reads one from text.

::

    hot_pixels                                  hot_pixels:window_us=200000,factor=5
    background:2000                             background:dt_us=2000
    refractory:500                              region:10,20,310,220
    polarity:on                                 flip:h

This module needs no numba, so that text can be checked where a filter never runs.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar, Literal, TypeAlias, get_args, get_type_hints

from streaming.errors import BadSource

LONGEST_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class HotPixels:
    """Drops pixels that fire far more often than those around them, as last window's counts tell.

    Attributes:
        window_us: time over which pixels are counted before the list of hot ones is made anew, microseconds;
            everything passes in the first window.
        rate_hz: least rate of a hot pixel, events per second.
        factor: a hot pixel has more than so many times the events (plus one) of its third busiest neighbour.
    """

    name: ClassVar[str] = "hot_pixels"
    window_us: int = 500_000
    rate_hz: float = 40.0
    factor: float = 8.0

    def __post_init__(self) -> None:
        right = 0 < self.window_us <= LONGEST_US and 0 < self.rate_hz <= 1e6 and 1 <= self.factor <= 1e6
        _require(right, self, f"window_us 1..{LONGEST_US}, rate_hz up to 1e6 and factor 1..1e6")


@dataclass(frozen=True, slots=True)
class Background:
    """Keeps an event only if one of its 8 neighbours fired at most `dt_us` before (background activity).

    Attributes:
        dt_us: microseconds; shorter drops more.
    """

    name: ClassVar[str] = "background"
    dt_us: int = 2_000

    def __post_init__(self) -> None:
        _require(0 < self.dt_us <= LONGEST_US, self, f"dt_us 1..{LONGEST_US}")


@dataclass(frozen=True, slots=True)
class Refractory:
    """Drops events of a pixel that come within `period_us` of its last kept one.

    Attributes:
        period_us: microseconds.
    """

    name: ClassVar[str] = "refractory"
    period_us: int = 500

    def __post_init__(self) -> None:
        _require(0 < self.period_us <= LONGEST_US, self, f"period_us 1..{LONGEST_US}")


@dataclass(frozen=True, slots=True)
class Region:
    """Keeps events with x0 <= x < x1 and y0 <= y < y1, in sensor pixels; the sensor's size stays."""

    name: ClassVar[str] = "region"
    x0: int
    y0: int
    x1: int
    y1: int

    def __post_init__(self) -> None:
        _require(0 <= self.x0 < self.x1 and 0 <= self.y0 < self.y1, self, "0 <= x0 < x1 and 0 <= y0 < y1")


@dataclass(frozen=True, slots=True)
class Polarity:
    """Keeps events of one polarity."""

    name: ClassVar[str] = "polarity"
    keep: Literal["on", "off"]


@dataclass(frozen=True, slots=True)
class Flip:
    """Mirrors events: `h` left and right, `v` top and bottom, `hv` both (a turn by 180 degrees)."""

    name: ClassVar[str] = "flip"
    axis: Literal["h", "v", "hv"]


Setting: TypeAlias = HotPixels | Background | Refractory | Region | Polarity | Flip
SETTINGS: dict[str, type[Setting]] = {kind.name: kind for kind in get_args(Setting)}


def parse_filter(text: str) -> Setting:
    """The setting that `text` says: a name, then values in order or by name.

    Raises:
        BadSource: unknown filter or value, or a value out of range; the message names what is allowed.
    """
    name, _, rest = text.strip().partition(":")
    kind = SETTINGS.get(name)
    if kind is None:
        raise BadSource(f"unknown filter {name!r}; filters are {', '.join(map(_usage, SETTINGS.values()))}")
    wanted = {field.name: field for field in fields(kind)}
    values: dict[str, Any] = {}
    for index, part in enumerate(rest.split(",") if rest else []):
        key, equals, value = part.partition("=")
        if not equals:
            key, value = list(wanted)[index] if index < len(wanted) else "", part
        if key.strip() not in wanted or key.strip() in values:
            raise BadSource(f"filter {text!r}: found {part!r}; write {_usage(kind)}")
        values[key.strip()] = _value(kind, key.strip(), value.strip(), text)
    if any(field.default is MISSING and field.name not in values for field in wanted.values()):
        raise BadSource(f"filter {text!r} lacks a value; write {_usage(kind)}")
    return kind(**values)


def _value(kind: type[Setting], key: str, value: str, text: str) -> Any:
    hint = get_type_hints(kind)[key]
    if choices := get_args(hint):
        if value in choices:
            return value
        raise BadSource(f"filter {text!r}: {key} is {' or '.join(choices)}, got {value!r}")
    try:
        return hint(value)
    except ValueError:
        kinds = {int: "a whole number", float: "a number"}
        raise BadSource(f"filter {text!r}: {key} is {kinds[hint]}, got {value!r}") from None


def _usage(kind: type[Setting]) -> str:
    return f"{kind.name}:" + ",".join(_example(kind, field) for field in fields(kind))


def _example(kind: type[Setting], field: Field[Any]) -> str:
    if choices := get_args(get_type_hints(kind)[field.name]):
        return "|".join(choices)
    return field.name.upper() if field.default is MISSING else f"{field.name}={field.default}"


def _require(holds: bool, setting: Any, allowed: str) -> None:
    if not holds:
        raise BadSource(f"filter {setting.name} needs {allowed}; got {setting}")
