"""History's counters as Prometheus reads them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from service.history import History
from service.store.metrics import HistoryMetrics
from tests.service.store.world import FakeStream, Home, Note, answer, until

CAR = ("car", 0.5, (100.0, 120.0, 300.0, 240.0), 0)


def test_metrics_tell_what_was_written_and_what_waits(sqlite_home: Home) -> None:
    async def scenario(history: History) -> str:
        registry = CollectorRegistry()
        registry.register(HistoryMetrics(history))
        observer = history.observe(FakeStream())
        observer.answered(answer(1, [CAR, CAR]))
        observer.happened(Note({"type": "zone", "n": float("nan")}))
        await until(lambda: history.health()["rows"] == 2 and history.health()["refused"] == 1)
        await history.tidy()
        return generate_latest(registry).decode()

    lines = sqlite_home.run(scenario).splitlines()
    for line in (
        "spikesight_history_failing 0.0",
        "spikesight_history_rows_total 2.0",
        "spikesight_history_refused_total 1.0",
        'spikesight_history_dropped_total{queue="history-boxes"} 0.0',
        'spikesight_history_waiting{queue="history-events"} 0.0',
    ):
        assert line in lines
    (size,) = (line.split()[1] for line in lines if line.startswith("spikesight_history_bytes "))
    assert float(size) >= 4096
