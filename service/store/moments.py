"""Wall-clock times as the database has them: whole microseconds since 1970 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


def to_us(moment: datetime) -> int:
    """`moment` must have its zone."""
    return (moment - _EPOCH) // _US


def iso(wall_us: int) -> str:
    """As `2026-01-02T03:04:05.000006Z`."""
    return from_us(wall_us).isoformat(timespec="microseconds").replace("+00:00", "Z")


def from_us(wall_us: int) -> datetime:
    """In UTC."""
    return _EPOCH + wall_us * _US
