"""The board and the rules of the `observe` profile ask for metrics that the service has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from service.telemetry import Metrics

ROOT = Path(__file__).parents[2]
OBSERVE = ROOT / "docker" / "observe"


def known() -> set[str]:
    """Names of all samples that /metrics may give."""
    names: set[str] = set()
    for family in Metrics().registry.collect():
        names |= {family.name, f"{family.name}_total", f"{family.name}_bucket"}
    return names


def asked(expression: str) -> set[str]:
    return set(re.findall(r"\bspikesight_\w+", expression))


def test_the_board_asks_for_metrics_there_are() -> None:
    board = json.loads((OBSERVE / "grafana" / "dashboards" / "spikesight.json").read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len(expressions) > 10
    assert set().union(*map(asked, expressions)) <= known()


def test_the_rules_ask_for_metrics_there_are() -> None:
    (group,) = yaml.safe_load((OBSERVE / "alerts.yml").read_text())["groups"]
    assert set().union(*(asked(rule["expr"]) for rule in group["rules"])) <= known()
    assert {rule["alert"] for rule in group["rules"]} >= {"SpikesightStreamLost", "SpikesightBehind"}


@pytest.mark.parametrize("profile", ["cameras", "observe"])
def test_profiles_do_not_start_by_themselves(profile: str) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert "profiles" not in services["spikesight"]
    assert any(service.get("profiles") == [profile] for service in services.values())


def test_prometheus_asks_the_service_where_compose_has_it() -> None:
    settings = yaml.safe_load((OBSERVE / "prometheus.yml").read_text())
    (job,) = settings["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["spikesight:8000"]
