"""Limits that the reading loop keeps itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streaming.errors import LimitExceeded
from streaming.events import Events
from streaming.limits import Limits


def at(*t_us: int) -> Events:
    return Events.of(t_us, [0] * len(t_us), [0] * len(t_us), [0] * len(t_us))


def test_packets_within_the_limits_pass_as_they_are() -> None:
    packets = [Events.empty(), at(5, 6), at(15)]
    assert list(Limits(max_events=3, max_duration_us=10).enforced(packets)) == packets


@pytest.mark.parametrize(
    ("limits", "given", "says"),
    [
        (Limits(max_events=2), 1, "more than 2 events"),
        (Limits(max_duration_us=9), 1, "lasts 0.000 s or more"),
        (Limits(max_events=1), 0, "more than 1 events"),
    ],
)
def test_the_packet_that_passes_a_limit_is_not_given(limits: Limits, given: int, says: str) -> None:
    packets = limits.enforced([at(5, 6), at(15)])
    for _ in range(given):
        next(packets)
    with pytest.raises(LimitExceeded, match=says):
        next(packets)


def test_large_files_are_refused_before_they_are_opened(tmp_path: Path) -> None:
    path = tmp_path / "big.raw"
    with path.open("wb") as file:
        file.truncate(10_000_000_000)
    with pytest.raises(LimitExceeded, match="has 10000000000 bytes; at most 1000 are allowed"):
        Limits(max_bytes=1_000).check_size(path)
    Limits(max_bytes=None).check_size(path)


@pytest.mark.parametrize("name", Limits.__slots__)
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_limits_are_above_zero(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})


def test_live_limits_are_of_memory_only() -> None:
    live = Limits.live()
    assert [name for name in Limits.__slots__ if getattr(live, name) is not None] == ["memory_bytes"]
