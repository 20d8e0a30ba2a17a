"""Numbers for Prometheus and lines for logs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from service.answers import Answer
from service.settings import Settings

CONTENT_TYPE = CONTENT_TYPE_LATEST
STAGES = ("arrive", "queue", "encode", "infer", "post", "total")
_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

_OF_STREAMS = {
    "connected": "1 while the source is there.",
    "events_per_second": "Events that come, over the last second.",
    "events": "Events that came since the stream began.",
    "dropped_events": "Of those, how many were given up.",
    "answers": "Answers since the stream began.",
    "behind_seconds": "How much older the last answer's events are than the newest ones.",
    "tracks": "Tracks that live.",
    "viewers": "Viewers connected.",
}
"""Figures of one stream, by the end of their metric's name."""


class Metrics:
    """All metrics of one service; `kind` is "upload" or "live"."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = self._counter("answers", "Answers given.", "kind")
        self.boxes = self._counter("boxes", "Boxes found.", "kind")
        self.steps = self._counter("steps", "Steps that came from sources.", "kind")
        self.events = self._counter("events", "Events that came from sources.", "kind")
        self.dropped_steps = self._counter("dropped_steps", "Steps given up.", "kind")
        self.dropped_events = self._counter("dropped_events", "Events in steps given up.", "kind")
        self.viewer_drops = self._counter("viewer_drops", "Messages slow viewers did not get.", "what")
        self.viewers_closed = self._counter("viewers_closed", "Viewers closed for slowness.")
        self.pictures = self._counter("pictures", "Event pictures made.")
        self.uploads = self._counter("uploads", "Uploads by outcome.", "outcome")
        self.worker_restarts = self._counter("worker_restarts", "How often the inference worker died.")
        self.latency = Histogram(
            "spikesight_latency_seconds", "Latency of answers by stage.", ["kind", "stage"],
            buckets=_BUCKETS_S, registry=self.registry,
        )  # fmt: skip
        self.streams = self._gauge("streams", "Streams running.")
        self.viewers = self._gauge("viewers", "Viewers connected.")
        self.uploads_running = self._gauge("uploads_running", "Uploads being worked on.")
        self.uploads_waiting = self._gauge("uploads_waiting", "Uploads waiting for their turn.")
        self.worker_ready = self._gauge("worker_ready", "1 while the inference worker is ready.")
        self.zone_events = self._counter(
            "zone_events", "What happened in zones and on lines.", "stream", "zone", "event", "label"
        )
        self.zone_inside = self._gauge("zone_inside", "Tracks inside a zone now.", "stream", "zone", "label")
        self.alarms_raised = self._counter("alarms_raised", "Alarms raised.", "stream", "alarm")
        self.alarm_deliveries = self._counter(
            "alarm_deliveries", "Attempts to deliver an alarm, by what came of them.", "how", "outcome"
        )
        self.alarm_letters = self._gauge("alarm_dead_letters", "Alarms that could not be delivered.")
        self.queue_depth = self._gauge("queue_depth", "Steps waiting for the network.", "queue")
        self.queue_oldest = self._gauge("queue_oldest_seconds", "Age of the oldest waiting step.", "queue")

        self.of_streams = {
            name: self._gauge(f"stream_{name}", text, "stream") for name, text in _OF_STREAMS.items()
        }

    def answered(self, kind: str, answer: Answer) -> None:
        """Counts an answer, its boxes and its latencies."""
        self.answers.labels(kind).inc()
        self.boxes.labels(kind).inc(len(answer.detections))
        for stage in STAGES:
            value_ms: float | None = getattr(answer.latency_ms, stage)
            if value_ms is not None:
                self.latency.labels(kind, stage).observe(max(0.0, value_ms / 1e3))

    def dropped(self, kind: str, steps: int, events: int) -> None:
        """Counts steps given up, and their events."""
        self.dropped_steps.labels(kind).inc(steps)
        self.dropped_events.labels(kind).inc(events)

    def show_queues(self, queues: Mapping[str, tuple[int, float]]) -> None:
        """Depth and age in seconds of every queue there is; those of streams that ended disappear."""
        self.queue_depth.clear()
        self.queue_oldest.clear()
        for name, (depth, oldest_s) in queues.items():
            self.queue_depth.labels(name).set(depth)
            self.queue_oldest.labels(name).set(oldest_s)

    def show_streams(self, streams: Mapping[str, Mapping[str, float]]) -> None:
        """Figures of every stream there is, by its name; those of streams that ended disappear."""
        for gauge in self.of_streams.values():
            gauge.clear()
        for stream, figures in streams.items():
            for name, value in figures.items():
                self.of_streams[name].labels(stream).set(value)

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"spikesight_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"spikesight_{name}", text, labels, registry=self.registry)


def configure_logging(settings: Settings) -> None:
    """Sets up structlog for the process: JSON lines, or coloured text on a terminal; both to stderr."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_rendering(settings),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _rendering(settings: Settings) -> list[Any]:
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    if as_json:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
