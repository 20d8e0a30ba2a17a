"""Which column of a table is time, x, y and polarity, and how raw columns become `Events`.

By name where columns have names (`NAMES`). Without names, four columns are taken as the first of `ORDERS`
that the first rows allow: time does not decrease, polarity is 0/1 or -1/1, x and y are whole numbers from 0
on. Where none fits the usual order t, x, y, p is taken, and the events say what is wrong with it.

Time is in the unit that its name carries (`t_s`, `t_ms`, `t_us`, `t_ns`). Without one it is in seconds where
the first rows hold fractions, else in microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.errors import BrokenRecording, EventsOutsideSensor
from streaming.events import Events

NAMES: Mapping[str, str] = {
    **dict.fromkeys(("t", "ts", "time", "times", "timestamp", "timestamps", "t_us", "timestamp_us"), "t"),
    **dict.fromkeys(("t_s", "t_ms", "t_ns", "time_s", "timestamp_s", "timestamp_ns"), "t"),
    **dict.fromkeys(("x", "xs", "col", "column"), "x"),
    **dict.fromkeys(("y", "ys", "row"), "y"),
    **dict.fromkeys(("p", "ps", "pol", "polarity", "polarities", "on"), "p"),
}
"""What a column of a (lower-case) name holds."""

ORDERS = ("txyp", "xytp", "xypt", "ptxy", "tpxy", "pxyt")
US_PER_UNIT: Mapping[str, float] = {"_s": 1e6, "_ms": 1e3, "_us": 1.0, "_ns": 1e-3}
FARTHEST_US = 1 << 60
"""Times beyond +-36 000 years are forged, or no times at all."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Indices of the columns, and how many microseconds one unit of time is, None where no name says it."""

    t: int
    x: int
    y: int
    p: int
    us_per_unit: float | None = None

    def with_unit(self, t: NDArray[Any]) -> Roles:
        """The same with a unit for certain, by the first rows `t` of the time column."""
        if self.us_per_unit is not None:
            return self
        return replace(self, us_per_unit=1e6 if has_fractions(t) else 1.0)


def roles_by_name(names: Sequence[str]) -> Roles | None:
    """Roles of named columns, None where one of the four is missing; further columns are ignored."""
    found: dict[str, int] = {}
    for index, name in enumerate(names):
        role = NAMES.get(name.strip().lower())
        if role is not None:
            found.setdefault(role, index)
    if len(found) < 4:
        return None
    time_name = names[found["t"]].strip().lower()
    units = [us for suffix, us in US_PER_UNIT.items() if time_name.endswith(suffix)]
    return Roles(found["t"], found["x"], found["y"], found["p"], units[0] if units else None)


def roles_by_content(columns: Sequence[NDArray[Any]]) -> Roles:
    """Roles of four nameless columns by their first rows."""
    for order in ORDERS:
        roles = Roles(*(order.index(role) for role in "txyp"))
        if _fits(columns, roles):
            return roles
    return Roles(0, 1, 2, 3)


def has_fractions(values: NDArray[Any]) -> bool:
    """Whether a float column holds numbers that are not whole."""
    return values.dtype.kind == "f" and bool(np.any((values != np.floor(values)) & ~np.isnan(values)))


def to_events(columns: Sequence[NDArray[Any]], roles: Roles, where: str) -> Events:
    """Columns of equal length, numbers of any type, as `Events`.

    Raises:
        BrokenRecording: a value is no time or no polarity.
        EventsOutsideSensor: a value is no pixel coordinate.
    """
    t, x, y, p = (columns[index] for index in (roles.t, roles.x, roles.y, roles.p))
    return Events(
        _times(t, roles.us_per_unit, where),
        _coordinates(x, "x", where),
        _coordinates(y, "y", where),
        _polarities(p, where),
    )


def _fits(columns: Sequence[NDArray[Any]], roles: Roles) -> bool:
    t, x, y, p = (columns[index] for index in (roles.t, roles.x, roles.y, roles.p))
    return (
        bool(np.all(t[1:] >= t[:-1]))
        and bool(np.all((p == 0) | (p == 1) | (p == -1)))
        and all(not has_fractions(side) and bool(np.all((side >= 0) & (side < 1 << 16))) for side in (x, y))
    )


def _times(t: NDArray[Any], us_per_unit: float | None, where: str) -> NDArray[np.int64]:
    scale = 1.0 if us_per_unit is None else us_per_unit
    if t.dtype.kind == "f" or scale != 1.0:
        t = np.rint(t.astype(np.float64) * scale)
    if len(t) and not (t.min() >= -FARTHEST_US and t.max() <= FARTHEST_US):
        raise BrokenRecording(
            f"{where}: found {t.min()} to {t.max()} us; beyond +-{FARTHEST_US} us there is no time. "
            "The columns are not t, x, y, p, or the file is damaged."
        )
    return np.ascontiguousarray(t, np.int64)


def _coordinates(values: NDArray[Any], axis: str, where: str) -> NDArray[np.uint16]:
    if len(values) and not (values.min() >= 0 and values.max() < 1 << 16):
        raise EventsOutsideSensor(
            f"{where}: found {axis} from {values.min()} to {values.max()}; a pixel coordinate is 0 or more "
            "and inside the sensor. The columns are not t, x, y, p, or the file is damaged."
        )
    if has_fractions(values):
        raise BrokenRecording(
            f"{where}: found fractions in {axis}; pixel coordinates are whole numbers. "
            "The columns are not t, x, y, p, or the file is damaged."
        )
    return np.ascontiguousarray(values, np.uint16)


def _polarities(p: NDArray[Any], where: str) -> NDArray[np.uint8]:
    if p.dtype.kind == "b":
        return np.ascontiguousarray(p, np.uint8)
    known = (p == 0) | (p == 1) | (p == -1)
    if not np.all(known):
        raise BrokenRecording(
            f"{where}: found polarity {p[~known][0]}; polarity is 0 or 1 (or -1 and 1). "
            "The columns are not t, x, y, p, or the file is damaged."
        )
    return np.ascontiguousarray(p > 0, np.uint8)
