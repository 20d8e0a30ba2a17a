"""Health, models and metrics."""

from __future__ import annotations

from tests.service.conftest import Serve, Served


def test_alive_before_ready(serve: Serve) -> None:
    server = serve()
    server.runtime.ready = False
    with server.client() as client:
        assert client.get("/health/live").json() == {"status": "alive"}
        waiting = client.get("/health/ready")
        server.runtime.ready = True
        assert client.get("/health/ready").status_code == 200
    assert waiting.status_code == 503
    assert waiting.json()["type"].endswith("worker-not-ready")
    assert int(waiting.headers["retry-after"]) > 0


def test_models_are_shown_with_the_default(server: Served) -> None:
    with server.client() as client:
        said = client.get("/models").json()
    assert said["default"] == "ems-nano"
    assert said["live_default"] in {model["name"] for model in said["models"]}
    assert said["models"][0]["classes"] == ["person", "car", "two-wheeler"]


def test_metrics_are_prometheus_text(server: Served) -> None:
    with server.client() as client:
        answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.text.startswith("spikesight_")
