"""`SensorWatch`: what is known of live streams' sensors, for viewers, other observers and Prometheus."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Gauge

from service.happenings import Happening
from service.observers import Observer, StreamPort
from service.source_messages import SensorReport, TapMessage
from streaming.sensor_health.report import Level, SensorHealth, Topic, Verdict
from streaming.sensor_health.verdicts import aged
from streaming.source import SourceInfo

STALE_S = 1.5
"""A report older than this is told again with the silence since."""
HELD = 3
"""Reports that must agree before a verdict counts as changed: what flutters is not told each time."""


@dataclass(frozen=True, slots=True)
class SensorChanged(Happening):
    """A verdict on a sensor has become another one.

    Attributes:
        stream: id. stream_name: its name.
        t_us: time of the newest event, None before the first.
        topic: what it is about. level: "warn", or "ok" again. words: what is the matter.
    """

    stream: str
    stream_name: str
    t_us: int | None
    topic: Topic
    level: Level
    words: str

    @classmethod
    def of(cls, stream: StreamPort, health: SensorHealth, verdict: Verdict) -> SensorChanged:
        return cls(stream.id, stream.name, health.t_us, verdict.topic, verdict.level, verdict.words)

    def to_message(self) -> dict[str, Any]:
        return {
            "type": "sensor_changed",
            "t_us": self.t_us,
            "topic": self.topic,
            "level": self.level,
            "words": self.words,
        }


class SensorWatch:
    """The sensors of all live streams.

    Args:
        registry: where the gauges are exported.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._gauges = _Gauges(registry)
        self._sensors: dict[str, _Sensor] = {}

    def observe(self, stream: StreamPort) -> Observer:
        """The observer of one stream."""
        sensor = self._sensors[stream.id] = _Sensor(stream, self._gauges, self._forget)
        return sensor

    def health(self, stream_id: str) -> SensorHealth | None:
        """What is known of a stream's sensor now; None before its first report, and where there is none."""
        sensor = self._sensors.get(stream_id)
        return None if sensor is None else sensor.health()

    def report(self, stream_id: str) -> dict[str, Any]:
        """JSON of `GET /streams/{id}/sensor`: the message `sensor`; `level` is "unknown" without a report."""
        health = self.health(stream_id)
        return {"level": "unknown"} if health is None else health.to_json()

    def _forget(self, stream_id: str) -> None:
        self._sensors.pop(stream_id, None)


class _Gauges:
    """Numbers of each stream, under its name; they go with the stream."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"spikesight_sensor_{name}", text, ["stream"], registry=registry)

        self._events_per_s = gauge("events_per_second", "Events a second.")
        self._on_ratio = gauge("on_ratio", "Share of ON events.")
        self._hot_pixels = gauge("hot_pixels", "Hot pixels.")
        self._hot_ratio = gauge("hot_pixel_events_ratio", "Share of events of hot pixels.")
        self._flicker_hz = gauge("flicker_hertz", "Frequency of the strongest flicker, 0 without one.")
        self._flicker_ratio = gauge("flicker_events_ratio", "Share of events of the strongest flicker.")
        self._silent_s = gauge("silent_seconds", "Seconds without events.")
        self._jumps = gauge("clock_jumps", "Jumps of the sensor's clock since its source was opened.")
        self._warnings = gauge("warnings", "Verdicts that somebody should look at.")

    def show(self, name: str, health: SensorHealth) -> None:
        flicker = health.flicker[0] if health.flicker else None
        self._events_per_s.labels(name).set(health.events_per_s)
        self._on_ratio.labels(name).set(float("nan") if health.on_share is None else health.on_share)
        self._hot_pixels.labels(name).set(health.hot.count)
        self._hot_ratio.labels(name).set(health.hot.share)
        self._flicker_hz.labels(name).set(flicker.hz if flicker else 0.0)
        self._flicker_ratio.labels(name).set(flicker.share if flicker else 0.0)
        self._silent_s.labels(name).set(health.silent_s)
        self._jumps.labels(name).set(health.clock.backward + health.clock.forward)
        self._warnings.labels(name).set(sum(verdict.level == "warn" for verdict in health.verdicts))

    def forget(self, name: str) -> None:
        for gauge in vars(self).values():
            gauge.remove(name)


class _Sensor(Observer):
    """The sensor of one stream."""

    def __init__(self, stream: StreamPort, gauges: _Gauges, forget: Callable[[str], None]) -> None:
        self._stream, self._gauges, self._forget = stream, gauges, forget
        self._reported: SensorHealth | None = None
        self._at_s = 0.0
        self._levels: dict[Topic, Level] = {}
        self._others: Counter[Topic] = Counter()

    def health(self) -> SensorHealth | None:
        """The last report, or what has become of it where it is stale."""
        age_s = time.monotonic() - self._at_s
        if self._reported is None or age_s <= STALE_S:
            return self._reported
        return aged(self._reported, age_s)

    def told(self, message: TapMessage) -> None:
        if isinstance(message, SensorReport):
            self._reported, self._at_s = message.health, time.monotonic()
            self._tell(message.health)

    def sized(self, info: SourceInfo) -> None:
        self._reported = None  # another connection, perhaps another camera

    def tick(self) -> None:
        health = self.health()
        if health is not None and health is not self._reported:
            self._tell(health)

    def status(self) -> dict[str, Any]:
        health = self.health()
        if health is None:
            return {"sensor": None}
        warnings = [verdict.words for verdict in health.verdicts if verdict.level == "warn"]
        return {"sensor": {"level": health.level, "warnings": warnings}}

    def ended(self) -> None:
        self._gauges.forget(self._stream.name)
        self._forget(self._stream.id)

    def _tell(self, health: SensorHealth) -> None:
        self._stream.publish({"type": "sensor", **health.to_json()})
        self._gauges.show(self._stream.name, health)
        for verdict in health.verdicts:
            if self._holds(verdict):
                self._stream.happened(SensorChanged.of(self._stream, health, verdict))

    def _holds(self, verdict: Verdict) -> bool:
        """Whether another level than the one told before has been found `HELD` times, one after the other."""
        topic = verdict.topic
        if verdict.level == self._levels.get(topic, "ok"):
            self._others[topic] = 0
            return False
        self._others[topic] += 1
        if self._others[topic] < HELD:
            return False
        self._levels[topic], self._others[topic] = verdict.level, 0
        return True
