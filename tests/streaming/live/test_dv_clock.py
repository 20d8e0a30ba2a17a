"""Events of cameras whose clocks are right, late, early and apart."""

from __future__ import annotations

import pytest

from streaming.live.dv_clock import COMPARED_S, WallClock

DAY_S = 1.7e9
"""Time of day when the monotonic clock shows 0."""


class Camera:
    """Stamps by a quartz that is `apart` too fast; its events come `late_s` after they happened."""

    def __init__(self, *, late_s: float = 0.0, apart: float = 0.0) -> None:
        self.late_s, self.apart, self.ahead_s = late_s, apart, 0.0
        self.clock = WallClock()
        self.now_s = 100.0

    def stamp_us(self, at_s: float) -> int:
        return round((DAY_S + at_s + self.ahead_s + (at_s - 100.0) * self.apart) * 1e6)

    def run(self, seconds: float, every_s: float = 0.01) -> None:
        """Packets of `every_s` each."""
        for _ in range(round(seconds / every_s)):
            self.now_s += every_s
            happened_s = self.now_s - self.late_s
            first_us, last_us = self.stamp_us(happened_s - 0.9 * every_s), self.stamp_us(happened_s)
            self.clock.saw(first_us, last_us, self.now_s, DAY_S + self.now_s)

    def latency_s(self) -> float | None:
        """What would be told of the newest event."""
        zero_s = self.clock.zero_s
        if zero_s is None:
            return None
        return self.now_s - zero_s - self.stamp_us(self.now_s - self.late_s) * 1e-6


def test_nothing_is_known_before_the_first_event() -> None:
    assert WallClock().zero_s is None


@pytest.mark.parametrize(
    ("late_s", "told_s"), [(0.0, 0.0), (0.2, 0.2), (2.5, 2.5), (-0.01, 0.0), (3.5, None), (-0.05, None)]
)
def test_first_events_near_now_carry_the_time_of_day(late_s: float, told_s: float | None) -> None:
    camera = Camera(late_s=late_s)
    camera.run(0.01)
    assert camera.latency_s() == (None if told_s is None else pytest.approx(told_s, abs=1e-3))


def test_a_first_packet_that_is_late_does_not_stay_the_measure() -> None:
    camera = Camera(late_s=1.0)
    camera.run(0.01)
    camera.late_s = 0.03
    camera.run(2.0)
    assert camera.latency_s() == pytest.approx(0.03, abs=1e-3)


def test_events_that_come_later_and_later_are_told_so() -> None:
    camera = Camera(late_s=0.02)
    camera.run(10.0)
    for late_s in (0.5, 4.0, 30.0):
        camera.now_s += late_s - camera.late_s  # nothing comes meanwhile
        camera.late_s = late_s
        camera.run(1.0)
        assert camera.latency_s() == pytest.approx(late_s, abs=5e-3)
    camera.late_s = 0.02
    camera.run(1.0)
    assert camera.latency_s() == pytest.approx(0.02, abs=5e-3)


@pytest.mark.parametrize("apart", [50e-6, -50e-6])
def test_quartzes_that_go_apart_for_a_day_do_not_show(apart: float) -> None:
    camera = Camera(late_s=0.03, apart=apart)
    camera.run(COMPARED_S)
    camera.run(86_400, every_s=1.0)
    assert camera.latency_s() == pytest.approx(0.03, abs=2e-3)


def test_silence_is_no_jump() -> None:
    camera = Camera(late_s=0.03, apart=-50e-6)
    camera.run(10.0)
    camera.run(200_000, every_s=100.0)
    camera.now_s += 3_600
    camera.run(1.0)
    assert camera.latency_s() == pytest.approx(0.03, abs=5e-3)


@pytest.mark.parametrize(("ahead_s", "known"), [(3_600.0, False), (-3_600.0, False), (-1.0, True)])
def test_a_jump_is_looked_at_anew(ahead_s: float, known: bool) -> None:
    camera = Camera()
    camera.run(10.0)
    camera.ahead_s = ahead_s
    camera.run(1.0)
    assert (camera.latency_s() is not None) == known
    camera.ahead_s = 0.0
    camera.run(1.0)
    assert camera.latency_s() == pytest.approx(0.0, abs=1e-3)
    camera.ahead_s = -0.5
    camera.run(1.0)
    assert camera.latency_s() == pytest.approx(0.5, abs=1e-3)
