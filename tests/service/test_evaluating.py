"""`spikesight evaluate`: which parts its options mean, what it prints, and what it writes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from model.card import load_card
from model.layout import named_layout
from model.networks import build
from model.weights import save
from service.cli import app
from tests.training.cards import tiny_card, tiny_weights, twin_weights
from tests.training.datasets.test_coco_frames import make_coco

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
    printed = evaluate(weights, "--tracking", *STREET).stdout
    for words in ("HOTA", "switches", "true boxes"):
        assert words in printed
    twin = twin_weights(weights.parent)
    printed = evaluate(weights, "--twin", twin, "--windows", 2).stdout
    assert "twin twin: mAP50" in printed
    assert "firing rate" not in printed
    assert load_card(weights).metrics == {}  # nothing is written without --write


def test_a_data_set_is_measured_and_written_beside(weights: Path) -> None:
    root = make_coco(weights.parent / "coco")
    layout = named_layout("ems-nano", classes=2, in_channels=3)
    card = replace(tiny_card("rgb"), classes=("car", "boat"), in_channels=3, encoding="frame")
    save(weights.parent, build(layout, height=64, width=96), card)
    printed = evaluate("rgb.json", "--data", f"coco:{root}", "--windows", 5, "--write").stdout
    assert "3 windows of coco:coco val, 1 boxes" in printed
    assert "not known to the weights, ignored: person, toothbrush" in printed
    assert "not labelled in the data, not measured: boat" in printed
    assert list(load_card("rgb.json").metrics) == ["data_sets"]
    assert load_card("rgb.json").threshold == card.threshold
