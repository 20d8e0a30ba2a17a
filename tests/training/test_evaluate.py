"""Weights from a file, measured on simulated scenes: figures, JSON, curves, and the card they go into."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.card import card_from_json, load_card
from model.card_page import card_to_markdown
from model.energy import dense_macs
from model.errors import UnknownModel
from tests.training.cards import GRID, network, tiny_weights, twin_weights
from training.activity import ActivitySum
from training.errors import BadTraining
from training.evaluate import EvaluationSettings, evaluate, write_card, write_report
from training.streaming_accuracy import StreamingSettings

SMALL_STREET = StreamingSettings(streets=1, seconds=1.0, scene="sim://street?width=96&height=64")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return tiny_weights(tmp_path)


def test_accuracy_has_figures_json_and_curves(weights: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    settings = EvaluationSettings(windows=20, cache=tmp_path / "cache")
    found = evaluate(weights, settings=settings, on_progress=lambda *progress: told.append(progress))
    assert told == [("accuracy", 16, 20), ("accuracy", 20, 20)]
    report = found.report
    assert report is not None
    assert report.windows == 20
    assert report.boxes > 5
    assert report.scores.map50 < 0.2  # it has learnt nothing
    assert [each.step for each in report.each_step] == [1, 2]
    assert report.each_step[-1].map50 == report.scores.map50
    assert sum(size.boxes for size in report.scores.sizes.values()) == report.boxes
    assert found.card.threshold == report.operating.threshold
    assert sum(map(sum, report.confusion.counts[:-1])) == report.boxes  # each true box is found or missed
    assert 0 < report.activity.firing_rate < 1
    out = tmp_path / "report.json"
    write_report(found, out)
    assert json.loads(out.read_text()) == found.metrics
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_every_part_makes_its_block_and_the_page_shows_it(weights: Path, tmp_path: Path) -> None:
    settings = EvaluationSettings(
        windows=4, streaming=SMALL_STREET, twin=twin_weights(tmp_path), engine="torch",
        cache=tmp_path / "cache",
    )  # fmt: skip
    found = evaluate(weights, ("accuracy", "streaming", "latency", "twin"), settings)
    path = write_card(weights, found)
    card = card_from_json(path.read_bytes())
    assert card == load_card(weights)
    assert card.threshold == found.metrics["operating"]["threshold"]
    assert card.metrics == found.metrics
    twin, activity = card.metrics["twin"], card.metrics["activity"]
    assert twin["energy_mj"] == pytest.approx(activity["dense_mj"], abs=1e-4)
    assert twin["ratio"] == pytest.approx(twin["energy_mj"] / twin["spiking_energy_mj"], rel=1e-2)
    assert card.metrics["latency"]["window_ms"] > card.metrics["latency"]["answer_ms"] > 0
    assert card.metrics["streaming"]["moments"] > 50
    page = card_to_markdown(card)
    for title in ("Accuracy", "Inside a window", "What it confuses", "Streaming", "Latency", "twin"):
        assert title in page
    assert "spikesight evaluate tiny --windows 4 --write" in page


def test_blocks_not_measured_stay_in_the_card(weights: Path) -> None:
    card = replace(load_card(weights), metrics={"real_clips": [], "latency": {"step_ms": 1.0}})
    weights.with_suffix(".json").write_text(card.to_json())
    found = evaluate(weights, ("latency",), EvaluationSettings(engine="torch"))
    written = card_from_json(write_card(weights, found).read_bytes())
    assert written.metrics["real_clips"] == []
    assert written.metrics["latency"] == found.metrics["latency"]
    assert written.threshold == card.threshold


def test_unknown_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="no model 'nothing'"):
        evaluate("nothing", settings=EvaluationSettings(cache=tmp_path))


def test_weights_of_other_classes_are_refused(weights: Path) -> None:
    card = replace(load_card(weights), classes=("car", "person", "two-wheeler"))
    weights.with_suffix(".json").write_text(card.to_json())
    with pytest.raises(BadTraining, match="finds car, person, two-wheeler"):
        evaluate(weights)


def test_a_twin_that_is_none_is_refused(weights: Path, tmp_path: Path) -> None:
    settings = EvaluationSettings(windows=1, cache=tmp_path / "cache")
    with pytest.raises(BadTraining, match="no twin is given"):
        evaluate(weights, ("twin",), settings)
    with pytest.raises(BadTraining, match="tiny is a spiking network"):
        evaluate(weights, ("twin",), replace(settings, twin=weights))
    twin = twin_weights(tmp_path)
    longer = replace(load_card(twin), step_us=40_000)
    twin.with_suffix(".json").write_text(longer.to_json())
    with pytest.raises(BadTraining, match=r"twin has window \(us\) 40000; tiny has 16000"):
        evaluate(weights, ("twin",), replace(settings, twin=twin))


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
