"""`HistoryMetrics`: history's counters for Prometheus, read when it asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from service.history import History


class HistoryMetrics(Collector):
    """To be registered with the registry of a service's metrics."""

    def __init__(self, history: History) -> None:
        self._history = history

    def collect(self) -> Iterator[Metric]:
        health = self._history.health()
        yield _gauge("failing", "1 while history cannot be written.", health["state"] == "failing")
        yield _gauge("bytes", "Room that history takes.", health["used_bytes"])
        yield _counter("rows", "Rows of history written.", health["rows"])
        yield _counter("refused", "Rows that fit no table.", health["refused"])
        waiting = GaugeMetricFamily("spikesight_history_waiting", "Rows that wait.", labels=["queue"])
        dropped = CounterMetricFamily(
            "spikesight_history_dropped", "Rows given up because too many waited.", labels=["queue"]
        )
        for queue in health["queues"]:
            waiting.add_metric([queue["name"]], queue["depth"])
            dropped.add_metric([queue["name"]], queue["dropped"])
        yield waiting
        yield dropped


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"spikesight_history_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"spikesight_history_{name}", text, value=value)
