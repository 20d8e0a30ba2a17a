"""Conditions on the source: its sensor's health, and whether it is there."""

from __future__ import annotations

from service.alarms.conditions.base import Condition, Finding, Spell
from service.alarms.schemas import HealthWhen, LinkWhen
from service.observers import LinkState
from service.source_messages import SensorReport, TapMessage
from streaming.sensor_health.report import SensorHealth

_UNITS = {
    "rate": "events/s",
    "silence": "s without events",
    "hot_pixels": "hot pixels",
    "hot_share": "of events from hot pixels",
    "flicker": "of events flicker",
    "on_share": "of events ON",
}


class HealthCondition(Condition):
    """A figure of the sensor's health is out of its range, for long enough by the wall clock."""

    lasting = True

    def __init__(self, when: HealthWhen) -> None:
        self._when = when
        self._spell = Spell(when.for_s)

    def told(self, message: TapMessage, now_s: float) -> Finding | None:
        return self._look(message.health, now_s) if isinstance(message, SensorReport) else None

    def linked(self, state: LinkState, now_s: float) -> Finding | None:
        if state in ("connecting", "lost"):
            self._spell.look(False, now_s)  # what is not there has no health
        return None

    def accepted(self) -> None:
        self._spell.told()

    def _look(self, health: SensorHealth, now_s: float) -> Finding | None:
        value, when = measured(health, when=self._when), self._when
        low = value is not None and when.below is not None and value < when.below
        high = value is not None and when.above is not None and value > when.above
        if not self._spell.look(low or high, now_s):
            return None
        limit = when.below if low else when.above
        words = f"{value:g} {_UNITS[when.measure]}, {'below' if low else 'above'} {limit:g}{_for(when.for_s)}"
        details = {"measure": when.measure, "value": value, "below": when.below, "above": when.above}
        return Finding(words, details, health.t_us)


class LinkCondition(Condition):
    """The source has not been there for so long."""

    lasting = True

    def __init__(self, when: LinkWhen) -> None:
        self._when = when
        self._gone = {"connecting", "lost", "stalled"} if when.stalled else {"connecting", "lost"}
        self._spell = Spell(when.for_s)
        self._state: LinkState | None = None

    def linked(self, state: LinkState, now_s: float) -> Finding | None:
        self._state = state
        return self.tick(now_s)

    def tick(self, now_s: float) -> Finding | None:
        if not self._spell.look(self._state in self._gone, now_s):
            return None
        return Finding(
            f"link {self._state}{_for(self._when.for_s)}", {"state": self._state, "limit": self._when.for_s}
        )

    def accepted(self) -> None:
        self._spell.told()


def measured(health: SensorHealth, when: HealthWhen) -> float | None:
    """The figure that is asked for, None where there is none yet."""
    figures: dict[str, float | None] = {
        "rate": health.events_per_s,
        "silence": health.silent_s,
        "hot_pixels": health.hot.count,
        "hot_share": health.hot.share,
        "flicker": max((flicker.share for flicker in health.flicker), default=0.0),
        "on_share": health.on_share,
    }
    return figures[when.measure]


def _for(seconds: float) -> str:
    return f" for {seconds:g} s" if seconds else ""
