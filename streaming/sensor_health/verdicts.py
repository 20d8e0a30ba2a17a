"""`judge`: findings in words, and which of them somebody should look at. No compiled code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from streaming.sensor_health.report import (
    FLICKER_LEAST_S,
    FORGET_S,
    HOT_LEAST_S,
    TILES,
    Level,
    SensorHealth,
    Topic,
    Verdict,
)

HOT_LEAST_SHARE, FLICKER_LEAST_SHARE = 0.05, 0.1
"""Of all events, from which on hot pixels or flicker are worth a warning."""
ON_SHARE = (0.15, 0.85)
SILENT_S = 5.0
LEAST_EVENTS = 1_000
"""Below which shares say little."""


def judge(found: SensorHealth, *, live: bool) -> tuple[Verdict, ...]:
    """One verdict a topic.

    Args:
        found: all but the verdicts.
        live: silence can be told.
    """
    topics: dict[Topic, Callable[[SensorHealth], tuple[bool, str]]] = {
        "rate": _rate,
        "hot_pixels": _hot,
        "flicker": _flicker,
        "balance": _balance,
        "clock": _clock,
    }
    if live:
        topics["silence"] = _silence
    return tuple(Verdict(topic, *_levelled(*look(found))) for topic, look in topics.items())


def aged(health: SensorHealth, seconds: float) -> SensorHealth:
    """What is known `seconds` after a report of a live source that has said nothing since."""
    silent_s = health.silent_s + seconds
    later = replace(health, silent_s=silent_s, events_per_s=0.0)
    later = later.forgotten() if silent_s > FORGET_S else later
    return replace(later, verdicts=judge(later, live=True))


def _levelled(bad: bool, words: str) -> tuple[Level, str]:
    return ("warn" if bad else "ok"), words


def _rate(found: SensorHealth) -> tuple[bool, str]:
    dark = sum(rate == 0 for rate in found.tiles)
    where = f", none in {dark} of {TILES} tiles" if found.events and dark else ""
    return False, f"{_count(found.events_per_s)} events/s{where}"


def _hot(found: SensorHealth) -> tuple[bool, str]:
    hot = found.hot
    if not hot.count:
        return (
            False,
            "no hot pixels"
            if found.seconds >= HOT_LEAST_S
            else f"too short to tell hot pixels: {_short(found)}",
        )
    worst = hot.worst[0]
    words = (
        f"{hot.count} hot pixel{'s' if hot.count > 1 else ''} with {hot.share:.0%} of events, "
        f"worst ({worst.x}, {worst.y}) at {_count(worst.rate_hz)} Hz"
    )
    return found.events >= LEAST_EVENTS and hot.share >= HOT_LEAST_SHARE, words


def _flicker(found: SensorHealth) -> tuple[bool, str]:
    if not found.flicker:
        return (
            False,
            "no flicker"
            if found.seconds >= FLICKER_LEAST_S
            else f"too short to tell flicker: {_short(found)}",
        )
    words = ", ".join(
        f"{flicker.hz:.0f} Hz flicker in {flicker.share:.0%} of events" for flicker in found.flicker
    )
    return found.flicker[0].share >= FLICKER_LEAST_SHARE, words


def _balance(found: SensorHealth) -> tuple[bool, str]:
    if found.on_share is None:
        return False, "no events to balance"
    low, high = ON_SHARE
    bad = found.events >= LEAST_EVENTS and not low <= found.on_share <= high
    return bad, f"{found.on_share:.0%} ON events"


def _silence(found: SensorHealth) -> tuple[bool, str]:
    if found.t_us is None:
        return found.silent_s >= SILENT_S, f"no event yet, {found.silent_s:.0f} s after the start"
    if found.silent_s < 1:
        return False, "events come"
    return found.silent_s >= SILENT_S, f"no events for {found.silent_s:.0f} s"


def _clock(found: SensorHealth) -> tuple[bool, str]:
    clock = found.clock
    said = []
    if clock.standing:
        said.append("the sensor's clock stands still")
    if clock.backward:
        said.append(f"time ran back {_times(clock.backward)}")
    if clock.forward:
        said.append(f"time leapt ahead {_times(clock.forward)}")
    repeated = f"{clock.same_time_share:.0%} of events share the time of the one before"
    return bool(said), ", ".join([*said, repeated])


def _short(found: SensorHealth) -> str:
    return f"{found.seconds:.2g} s of events"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _count(number: float) -> str:
    if number >= 1e6:
        return f"{number / 1e6:.2f} M"
    return f"{number / 1e3:.1f} k" if number >= 1e4 else f"{number:.0f}"
