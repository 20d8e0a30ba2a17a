"""`spikesight evaluate`: which parts its options mean, what it prints, and what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from model.card import load_card
from service.cli import app
from tests.training.cards import tiny_weights, twin_weights

STREET = ("--streets", 1, "--seconds", 1, "--scene", "sim://street?width=96&height=64", "--latency-ms", 5,
          "--engine", "torch")  # fmt: skip


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tiny_weights(tmp_path)


def evaluate(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def test_accuracy_is_printed_and_written(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    printed = evaluate(weights, "--windows", 2, "--protocol", "prophesee", "--write", "-o", out).stdout
    for words in ("AP50:95", "two-wheeler", "small (", "default threshold", "background", "firing rate"):
        assert words in printed
    card = load_card(weights)
    assert card.metrics["rule"]["min_diagonal_px"] == 30
    assert card.metrics == json.loads(out.read_text())
    assert out.with_suffix(".png").exists()


def test_parts_that_are_named_are_all_that_is_measured(weights: Path) -> None:
    found = json.loads(evaluate(weights, "--streaming", *STREET, "--json").stdout)
    assert set(found) == {"streaming"}
    assert found["streaming"]["latency_ms"] == 5
    twin = twin_weights(weights.parent)
    printed = evaluate(weights, "--twin", twin, "--windows", 2).stdout
    assert "twin twin: mAP50" in printed
    assert "firing rate" not in printed
    assert load_card(weights).metrics == {}  # nothing is written without --write
