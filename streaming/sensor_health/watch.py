"""`HealthWatch`: packets in, a `SensorHealth` whenever it is asked for."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import replace

from streaming.events import Events
from streaming.sensor_health.flicker import find_flicker
from streaming.sensor_health.hot import find_hot
from streaming.sensor_health.report import FORGET_S, Clock, SensorHealth
from streaming.sensor_health.tally import BIN_US, BINS, SLOT_US, Counts, Tally
from streaming.sensor_health.verdicts import judge

LEAP_US = 1_000_000
REMEMBER_S = 60.0
MOST_JUMPS = 4096
STANDING_EVENTS = 100


class HealthWatch:
    """Watches one sensor. `add` costs some nanoseconds an event; `report` is for another thread.

    Args:
        width, height: size of the sensor, pixels.
        live: packets come as events happen, so that silences and leaps of time can be told by the wall clock;
            else a recording is read.
    """

    def __init__(self, width: int, height: int, *, live: bool) -> None:
        self._tally, self._live = Tally(width, height), live
        self._begun_s = self._came_s = time.monotonic()
        self._newest_us: int | None = None
        self._total = 0
        self._backward: deque[float] = deque(maxlen=MOST_JUMPS)  # when
        self._forward: deque[float] = deque(maxlen=MOST_JUMPS)
        self._before = (self._begun_s, 0, 0)  # when, total and newest time at the report before

    def add(self, events: Events, now_s: float | None = None) -> None:
        """Counts a packet, which may be empty.

        Args:
            events: within the contract of `streaming/events.py`; time may run back between packets.
            now_s: `time.monotonic()` at which it came.

        Raises:
            EventsOutsideSensor: an event lies beyond the sensor.
        """
        if len(events) == 0:
            return
        now_s = time.monotonic() if now_s is None else now_s
        if self._newest_us is not None:
            self._check_clock(int(events.t_us[0]) - self._newest_us, now_s)
        if self._live and now_s - self._came_s > FORGET_S:
            self._tally.clear()
        self._tally.add(events)
        self._newest_us, self._came_s = int(events.t_us[-1]), now_s
        self._total += len(events)

    def report(self, now_s: float | None = None) -> SensorHealth:
        """What the last seconds say, with verdicts."""
        now_s = time.monotonic() if now_s is None else now_s
        silent_s = max(0.0, now_s - self._came_s) if self._live else 0.0
        # An idle sensor costs nothing: there is nothing to look at.
        counts = self._tally.look() if silent_s <= FORGET_S else Counts.nothing()
        found = self._found(counts, silent_s, now_s)
        self._before = (now_s, self._total, self._newest_us or 0)
        return replace(found, verdicts=judge(found, live=self._live))

    def _check_clock(self, step_us: int, now_s: float) -> None:
        if step_us < 0:
            self._backward.append(now_s)
        # Half of what goes by on the wall may be missing: a replay at double speed leaps nowhere.
        elif self._live and step_us > LEAP_US and step_us > 2e6 * (now_s - self._came_s):
            self._forward.append(now_s)

    def _found(self, counts: Counts, silent_s: float, now_s: float) -> SensorHealth:
        tiles = counts.slots.sum(axis=0)  # (TILES, 2)
        known_s, both = max(len(counts.slots) * SLOT_US * 1e-6, 1e-9), float(tiles.sum())
        return SensorHealth(
            t_us=self._newest_us,
            seconds=counts.seconds,
            events=counts.events,
            events_per_s=self._rate(counts, now_s),
            on_share=float(tiles[:, 1].sum()) / both if both else None,
            silent_s=silent_s,
            tiles=tuple((tiles.sum(axis=1) / known_s).tolist()),
            hot=find_hot(counts.pixels, counts.seconds, counts.side),
            flicker=find_flicker(counts.slots),
            clock=self._clock(counts, now_s),
        )

    def _rate(self, counts: Counts, now_s: float) -> float:
        if not self._live:
            return counts.events / counts.seconds if counts.seconds else 0.0
        at_s, total, _ = self._before
        return (self._total - total) / max(1e-3, now_s - at_s)

    def _clock(self, counts: Counts, now_s: float) -> Clock:
        at_s, total, newest_us = self._before
        standing = (
            self._live
            and now_s - at_s > 0.5
            and self._total - total >= STANDING_EVENTS
            and total > 0
            and self._newest_us == newest_us
        )
        share = counts.same_time / counts.events if counts.events else 0.0
        after_s = now_s - REMEMBER_S if self._live else -math.inf
        backward, forward = (
            sum(at_s >= after_s for at_s in list(jumps)) for jumps in (self._backward, self._forward)
        )
        return Clock(backward, forward, standing, share, counts.most_at_once)


class RecordingHealth:
    """Health of a whole recording: the worst of its stretches of some seconds."""

    def __init__(self, width: int, height: int) -> None:
        self._watch = HealthWatch(width, height, live=False)
        self._due_us: int | None = None
        self._worst: SensorHealth | None = None

    def add(self, events: Events) -> None:
        """Counts a packet. Raises EventsOutsideSensor."""
        if len(events) == 0:
            return
        first_us = int(events.t_us[0])
        if self._due_us is None:
            self._due_us = first_us + (BINS - 1) * BIN_US
        elif first_us >= self._due_us:
            self._take(self._watch.report())
            self._due_us = first_us + (BINS - 1) * BIN_US
        self._watch.add(events)

    def worst(self) -> SensorHealth:
        """The stretch with most to say."""
        self._take(self._watch.report())
        assert self._worst is not None
        return self._worst

    def _take(self, health: SensorHealth) -> None:
        if self._worst is None or _badness(health) > _badness(self._worst):
            self._worst = health


def _badness(health: SensorHealth) -> tuple[int, float]:
    warnings = sum(verdict.level == "warn" for verdict in health.verdicts)
    return warnings, health.hot.share + sum(flicker.share for flicker in health.flicker)
