"""Weights from a file, measured on simulated windows: figures, JSON and curves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from model.card import Card
from model.energy import dense_macs
from model.errors import UnknownModel
from model.layout import named_layout
from model.networks import Network, build
from model.weights import save
from training.activity import ActivitySum
from training.evaluate import evaluate_model

GRID = (96, 64)
CLASSES = ("person", "car", "two-wheeler")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    card = Card(
        name="tiny", layout="ems-nano", classes=CLASSES, in_channels=2, step_us=8_000, steps=2, grid=GRID,
        encoding="log1p", threshold=0.3, iou=0.45,
    )  # fmt: skip
    return save(tmp_path, network(), card).weights


def network() -> Network:
    return build(named_layout("ems-nano", classes=3), height=GRID[1], width=GRID[0])


def test_a_report_has_figures_json_and_curves(weights: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    out = tmp_path / "report.json"
    report = evaluate_model(
        weights, 20, cache=tmp_path / "cache", out=out, on_progress=lambda done, of: told.append((done, of))
    )
    assert told == [(16, 20), (20, 20)]
    assert report.windows == 20
    assert report.boxes > 5
    assert report.scores.map50 < 0.2  # it has learnt nothing
    assert 0 < report.activity.firing_rate < 1
    assert json.loads(out.read_text()) == report.to_json()
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_unknown_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="no model 'nothing'"):
        evaluate_model("nothing", 1, cache=tmp_path)


def test_activity_is_what_the_steps_counted() -> None:
    net = network().eval()
    width, height = GRID
    total = ActivitySum(net.layout, height, width)
    x = torch.rand(2, 3, 2, height, width)
    membranes = net.initial_state(3, height, width)
    spikes = synops = 0.0
    with torch.inference_mode():
        for step in x:
            _, membranes, counts = net.step(step, membranes)
            total.add(counts)
            spikes += float(counts[..., 0].sum())
            synops += float(counts[..., 1].sum())
    total.windows = 3
    mean = total.mean()
    neurons = sum(site.neurons for site in total.spiking)
    assert mean.firing_rate == pytest.approx(spikes / (neurons * 3 * 2))
    assert mean.synops == pytest.approx(synops / 3)
    assert mean.energy_mj == pytest.approx((0.9 * mean.synops + 4.6 * mean.macs) * 1e-9)
    assert mean.dense_mj == pytest.approx(4.6e-9 * dense_macs(net.layout, height, width))
    assert total.head_macs < mean.macs < 2 * dense_macs(net.layout, height, width)
