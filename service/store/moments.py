"""Wall-clock times as the database has them: whole microseconds since 1970 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


def to_us(moment: datetime) -> int:
    """`moment` must have its zone."""
    return (moment - _EPOCH) // _US


def from_us(wall_us: int) -> datetime:
    """In UTC."""
    return _EPOCH + wall_us * _US
