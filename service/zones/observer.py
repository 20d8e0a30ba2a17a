"""`ZoneObserver`: the zones of one live stream while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from service.answers import Answer
from service.observers import Observer, StreamPort
from service.telemetry import Metrics
from service.zones.happening import ZoneHappening
from service.zones.watch import Watch
from streaming.source import SourceInfo


class ZoneObserver(Observer):
    """Tells what happens in the zones of a stream.

    Args:
        stream: the stream.
        watch: its zones; they may change while it runs.
        metrics: where events are counted.
        on_sized: called when the sensor's size is known.
        on_end: called when the stream has ended.
    """

    def __init__(
        self,
        stream: StreamPort,
        watch: Watch,
        metrics: Metrics,
        on_sized: Callable[[StreamPort], None],
        on_end: Callable[[StreamPort], None],
    ) -> None:
        self._stream, self._watch, self._metrics = stream, watch, metrics
        self._on_sized, self._on_end = on_sized, on_end

    def sized(self, info: SourceInfo) -> None:
        self._watch.size = (info.width, info.height)
        self._on_sized(self._stream)

    def answered(self, answer: Answer) -> None:
        if answer.changes:
            self._tell(self._watch.see(answer.changes, answer.detections.classes))

    def was_reset(self, reason: str) -> None:
        self._tell(self._watch.end_all())

    def happened(self, happening: object) -> None:
        if isinstance(happening, ZoneHappening):
            event = happening.direction or happening.event
            self._metrics.zone_events.labels(
                self._stream.name, happening.zone_name, event, happening.label
            ).inc()

    def tick(self) -> None:
        self._metrics.zone_inside.remove_by_labels({"stream": self._stream.name})
        for zone in self._watch.zones:
            for label, count in self._watch.summary(zone.id).get("inside", {}).items():
                self._metrics.zone_inside.labels(self._stream.name, zone.name, label).set(count)

    def status(self) -> dict[str, Any]:
        zones = self._watch.zones
        return {"zones": [{"id": zone.id, **self._watch.summary(zone.id)} for zone in zones]}

    def ended(self) -> None:
        self._tell(self._watch.end_all())
        for metric in (self._metrics.zone_inside, self._metrics.zone_events):
            metric.remove_by_labels({"stream": self._stream.name})
        self._on_end(self._stream)

    def _tell(self, happenings: Iterable[ZoneHappening]) -> None:
        for happening in happenings:
            self._stream.happened(happening)
